"""The list of mutations.py is about the code as it is."""

import mutations


def test_every_text_that_is_changed_stands_once_in_its_file():
    changes = mutations.all_changes()
    assert len(changes) >= 40
    assert mutations.faults_of(changes) == []
