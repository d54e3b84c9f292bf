"""Runs on disk -> results.csv, comparison pictures and the report as one HTML file.

    from report import Report
    Report(out, base, studies, 1, data, wanted_for).write(open_runs=0)

Only files are read: the report can be rebuilt at any time without training.
"""

import base64
import csv
import html
import io
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import findings
import plots
from dataset import Data
from findings import Result, Setting, percent, span, wilson
from plan import Run, Studies, all_runs
from runs import (
    ONE_THREAD,
    PROJECT,
    file_digest,
    read_history,
    read_json,
    what_changed,
    write_csv,
    write_text,
)

RELOAD_SECONDS = 10
EXAMPLES = 12  # of each class on the sheet of examples
MISTAKES = 24
RESULT_COLUMNS = (
    *("study", "setting", "seed", "epochs", "batch_size", "learning_rate", "loss_function"),
    *("diverged", "test_accuracy", "test_low", "test_high", "last_test_accuracy", "kept_epoch"),
    *("valid_accuracy", "last_valid_accuracy", "last_train_accuracy", "train_seconds"),
    *("test_seconds", "result", "weight"),
)


@dataclass(frozen=True)
class Row:
    """A finished run, read from its folder."""

    run: Run
    train: dict
    test: dict
    result: Result
    probability: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(self.result.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(int(self.result.right.sum()), len(self.result.right))

    def at(self, epoch: int, column: int) -> float:
        """A value of the history at an epoch; NaN where there is none."""
        return float(self.result.history[epoch - 1, column]) if epoch else float("nan")


class Report:
    """The results of all studies in one folder, and the document about them."""

    def __init__(
        self,
        out: Path,
        base: dict,
        studies: Studies,
        seeds: int,
        data: Data,
        wanted_for: Callable[[dict], dict],
    ) -> None:
        self.out, self.base, self.studies, self.data = out, base, studies, data
        self.wanted_for = wanted_for
        self.runs = all_runs(studies, base, out, seeds)
        self.rows: list[Row] = []

    @property
    def path(self) -> Path:
        return self.out / "result" / "report.html"

    def write(self, open_runs: int, failed_runs: Sequence[str] = ()) -> None:
        """Read all finished runs that are up to date; write results.csv, pictures, report.html."""
        read = (self.read(run) for run in self.runs)
        self.rows = [row for row in read if row]
        table = (result_row(row, self.out) for row in self.rows)
        write_csv(self.out / "result" / "results.csv", RESULT_COLUMNS, table)
        for study in self.studies:
            self.draw(study)
        write_text(self.path, page(self, open_runs, failed_runs))

    def read(self, run: Run) -> Row | None:
        """A run's row; None if it is not finished, or what decides its training has changed."""
        try:
            row = read_row(run)
            changed = what_changed(row.train["identity"], self.wanted_for(run.settings))
            whole = row.test["identity"]["weight.pth"] == row.train["weight_sha256"]
            complete = file_digest(run.result / "history.csv") == row.train["history_sha256"]
        except (OSError, KeyError, ValueError):  # another program is writing it just now
            return None
        return row if whole and complete and not changed else None

    def settings(self, study: str) -> list[list[Row]]:
        """The finished rows of a study, one list of seeds for each setting."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.run.study == study:
                groups.setdefault(row.run.setting, []).append(row)
        return list(groups.values())

    def draw(self, study: str) -> None:
        """Draw what is missing or shows something else than the runs that are there."""
        groups = self.settings(study)
        for rows in groups:
            plots.draw_curves(setting_folder(rows), [row.run.result for row in rows])
            for row in rows:
                plots.draw_confusion_matrix(row.run.result, list(self.data.classes))
        if groups:
            names = [str(rows[0].run.value) for rows in groups]
            histories = [[row.result.history for row in rows] for rows in groups]
            curves = [plots.Curves(*own) for own in zip(names, histories, strict=True)]
            scores = [
                score_of([row.accuracy for row in rows], rows, name)
                for rows, name in zip(groups, names, strict=True)
            ]
            target = self.out / "result" / study / "comparison.png"
            plots.draw_comparison(target, study, curves, scores)

    def accuracy_text(self, result: Path) -> str:
        """One run's test accuracies for the screen, or how it ended."""
        lines = (result / "acc.txt").read_text(encoding="utf-8").splitlines()
        kept, last = (f"{float(line.split()[-1].rstrip('%')):.2f}%" for line in lines)
        ended = " diverged" if read_json(result / "train.json").get("diverged") else ""
        return f"test {kept} (last epoch {last}){ended}"

    def table(self) -> str:
        """All finished runs as a table for the screen."""
        lines = [f"{'run':42} {'test':>7} {'95% interval':>15} {'last':>7} {'kept':>5} {'time':>7}"]
        for row in self.rows:
            low, high = row.interval
            lines.append(
                f"{row.run.name:42} {percent(row.accuracy):>7} "
                f"{f'{100 * low:.1f} to {100 * high:.1f}':>15} "
                f"{percent(row.result.last_accuracy):>7} {row.result.kept_epoch:>5} "
                f"{row.train['seconds']:>6.0f}s{'  diverged' if row.result.diverged else ''}"
            )
        return "\n".join(lines)


# --- reading runs ----------------------------------------------------------------------------


def read_row(run: Run) -> Row:
    """Read a run's files; OSError, KeyError or ValueError if they are not all there."""
    train, test = read_json(run.result / "train.json"), read_json(run.result / "test.json")
    with (run.result / "predictions.csv").open(encoding="utf-8", newline="") as file:
        predictions = list(csv.DictReader(file))
    predicted = np.array([row["predicted_class"] for row in predictions])
    result = Result(
        np.array(read_history(run.result)),
        train["kept_epoch"],
        predicted,
        predicted == np.array([row["true_class"] for row in predictions]),
        test["last_correct"] / test["test_images"],
        train["diverged"],
    )
    probability = np.array([float(row["probability"]) for row in predictions])
    return Row(run, train, test, result, probability)


def setting_folder(rows: list[Row]) -> Path:
    """The folder of a setting's own pictures: above those of its seeds if it has any."""
    folder = rows[0].run.result
    return folder.parent if folder.name.startswith("seed_") else folder


def score_of(accuracies: list[float], rows: list[Row], name: str) -> plots.Score:
    """A setting's mean test accuracy over seeds, and the interval that its test images allow."""
    mean, count = float(np.mean(accuracies)), len(rows[0].result.right)
    return plots.Score(name, mean, *wilson(mean * count, count), accuracies)


def result_row(row: Row, out: Path) -> list:
    """A finished run's line of results.csv, in the order of RESULT_COLUMNS."""
    result, last = row.result, len(row.result.history)
    settings = [row.run.settings[key] for key in RESULT_COLUMNS[3:7]]
    shares = [row.accuracy, *row.interval, result.last_accuracy]
    curve = [row.at(result.kept_epoch, 4), row.at(last, 4), row.at(last, 3)]
    return [
        *(row.run.study, row.run.setting, row.run.settings["seed"], *settings, result.diverged),
        *(f"{share:.6f}" for share in shares), result.kept_epoch,
        *(f"{value:.6f}" for value in curve), row.train["seconds"], row.test["seconds"],
        row.run.result.relative_to(out), row.run.weight.relative_to(out),
    ]  # fmt: skip


def as_setting(rows: list[Row], report: Report, with_study: bool = False) -> Setting:
    """Rows of one setting as the numbers that findings are made of."""
    changed, value = report.studies[rows[0].run.study][0], rows[0].run.value
    name = f"{changed} {value}" if with_study else str(value)
    if with_study and all(rows[0].run.settings[key] == report.base[key] for key in report.base):
        name = f"the base setting ({', '.join(f'{k} {v}' for k, v in report.base.items())})"
    batches = -(-len(report.data.splits["train"]) // rows[0].run.settings["batch_size"])
    updates = batches * len(rows[0].result.history)
    return Setting(name, value, updates, [row.result for row in rows])


# --- the page --------------------------------------------------------------------------------


def page(report: Report, open_runs: int, failed_runs: Sequence[str]) -> str:
    """The whole document."""
    done, reload, status = len(report.rows), "", ""
    if done < len(report.runs):
        status = f"{done} of all {len(report.runs)} runs are done."
    if open_runs:
        reload = f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">'
        status = f"{open_runs} runs are still to be done; this page reloads itself."
    status = f'<p class="status">{status}</p>' if status else ""
    if failed_runs:
        status += f'<p class="warn">failed: {text(", ".join(failed_runs))}</p>'
    studies = "".join(study_section(report, study) for study in report.studies)
    body = (
        '<section class="answer"><h2>The answer</h2>'
        + "".join(f"<p>{text(sentence)}</p>" for sentence in answer(report))
        + f"</section>{studies}{run_section(report)}{mistakes_section(report)}"
        if report.rows
        else "<p>No run is finished yet.</p>"
    )
    style = (PROJECT / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{reload}<title>CNN experiments</title><style>{style}</style></head>"
        "<body><main><h1>What changes what a CNN learns?</h1>"
        f"{status}{body}</main></body></html>\n"
    )


def answer(report: Report) -> list[str]:
    """Best setting of all, what it is tied with, what clearly hurts, what longer training does."""
    groups: dict[tuple, list[Row]] = {}
    for study in report.studies:
        for rows in report.settings(study):
            groups.setdefault(tuple(sorted(rows[0].run.settings.items(), key=str)), rows)
    common = with_common_seeds(list(groups.values()))
    settings = [as_setting(rows, report, with_study=True) for rows in common]
    sentences = findings.comparison_sentences(settings)
    if not sentences:
        return ["Too few settings are finished with the same seed to be compared."]
    longest = max(settings, key=lambda own: max(len(run.history) for run in own.results))
    if findings.overfits(longest):
        rise = findings.mean([findings.rise_of(own) for own in longest.results])
        sentences.append(
            f"Training longer overfits: with {longest.name} the validation loss ends "
            f"{100 * rise:.0f}% above its minimum."
        )
    return sentences


def with_common_seeds(groups: list[list[Row]]) -> list[list[Row]]:
    """Only the seeds that all settings have, since runs are compared seed by seed."""
    seeds = set.intersection(*({row.run.settings["seed"] for row in rows} for rows in groups))
    common = [[row for row in rows if row.run.settings["seed"] in seeds] for rows in groups]
    return common if seeds else []


def study_section(report: Report, study: str) -> str:
    """The original's table of a study, its comparison picture, its findings."""
    groups = report.settings(study)
    if not groups:
        return ""
    changed = report.studies[study][0]
    rows = "".join(setting_row(own, report) for own in groups)
    head = "".join(
        f"<th>{name}</th>"
        for name in (changed.replace("_", " "), "Training accuracy", "Loss curve", "Test acc")
    )
    comparison = picture(report.out / "result" / study / "comparison.png", f"{study} compared")
    return (
        f"<section><h2>{text(study.replace('_', ' '))}</h2>"
        f"<table class=study><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<figure class=wide>{comparison}</figure><h3>Found</h3>"
        f"{listing(found(report, changed, groups))}</section>"
    )


def setting_row(rows: list[Row], report: Report) -> str:
    """One setting of a study: its curves and its accuracies."""
    folder = setting_folder(rows)
    name = str(rows[0].run.value)
    curves = "".join(
        f"<td>{picture(folder / f'{kind}.png', f'{kind} of {name}')}</td>"
        for kind in ("Training_accuracy", "Loss_curve")
    )
    return f"<tr><th>{text(name)}</th>{curves}<td>{accuracies(rows)}</td></tr>"


def accuracies(rows: list[Row]) -> str:
    """Test and validation accuracy at the kept and at the last epoch, with intervals."""
    score = score_of([row.accuracy for row in rows], rows, "")
    last = score_of([row.result.last_accuracy for row in rows], rows, "")
    notes = ""
    if len(rows) > 1:
        notes = f"<p>mean ± standard deviation of {len(rows)} seeds</p>"
    diverged = [len(row.result.history) for row in rows if row.result.diverged]
    if diverged:
        which = f"{len(diverged)} of {len(rows)} seeds " if len(rows) > 1 else ""
        notes += f'<p class="warn">{which}diverged at {span(diverged)}: the loss was no number</p>'
    return (
        f'<p class="acc">{percent(score.accuracy)}{spread(score)}</p><p>{interval(score)} '
        f"({len(rows[0].result.right):,} images)</p><p>kept {kept_text(rows)}</p>"
        f"<p>last epoch: test {percent(last.accuracy)}{spread(last)}, {interval(last)}; "
        f"valid {percent(np.mean([row.at(len(row.result.history), 4) for row in rows]))}</p>{notes}"
    )


def spread(score: plots.Score) -> str:
    """The standard deviation over seeds, if there are several."""
    return f" ± {100 * np.std(score.seeds, ddof=1):.1f}" if len(score.seeds) > 1 else ""


def interval(score: plots.Score) -> str:
    return f"95% interval {100 * score.low:.1f} to {100 * score.high:.1f}"


def kept_text(rows: list[Row]) -> str:
    """Which epochs are kept, over seeds, and their validation accuracy."""
    finite = [row for row in rows if row.result.kept_epoch]
    if not finite:
        return "the initial weights"
    epochs = span([row.result.kept_epoch for row in finite])
    valid = np.mean([row.at(row.result.kept_epoch, 4) for row in finite])
    initial = len(rows) - len(finite)
    others = f"; the initial weights of {initial}" if initial else ""
    return f"{epochs}: valid {percent(valid)}{others}"


def found(report: Report, changed: str, groups: list[list[Row]]) -> list[str]:
    """A study's findings in sentences."""
    settings = [as_setting(rows, report) for rows in with_common_seeds(groups)]
    sentences = findings.comparison_sentences(settings)
    if not settings:
        return ["No seed is finished for all settings yet."]
    valid = report.data.targets[report.data.splits["valid"]]
    majority = float(np.bincount(valid, minlength=2).max() / len(valid))
    untrained = findings.untrained(settings, majority, len(valid))
    if changed != "learning_rate":  # whose rules say so
        sentences += findings.untrained_sentences(untrained, majority)
    if changed == "epochs":
        sentences += findings.epochs_sentences(settings)
    elif changed == "batch_size":
        learned = [own for own in settings if own.name not in untrained]
        sentences += findings.batch_size_sentences(learned)
    elif changed == "learning_rate":
        sentences += findings.learning_rate_sentences(settings, majority, len(valid))
    elif changed == "loss_function":
        sentences += findings.loss_sentences(settings)
    return sentences


def run_section(report: Report) -> str:
    """What was run: images, network, versions, machine, times, commands."""
    data, first = report.data, report.rows[0]
    identity = first.train["identity"]
    counts = {
        part: np.bincount(data.targets[own], minlength=2) for part, own in data.splits.items()
    }
    images = table(
        ["", *data.classes, "larger class"],
        [[part, *own, percent(own.max() / own.sum())] for part, own in counts.items()],
    )
    layers = [
        [name, kind, " × ".join(map(str, shape)), f"{count:,}"]
        for name, kind, shape, count in first.train["network"]
    ]
    total = sum(layer[3] for layer in first.train["network"])
    times = table(
        ["run", "training", "test", "finished"],
        [
            [row.run.name, f"{row.train['seconds']:.0f} s", f"{row.test['seconds']:.1f} s",
             row.test["finished"]]
            for row in report.rows
        ],
    )  # fmt: skip
    records = [record for row in report.rows for record in (row.train, row.test)]
    lines = [shlex.join(record["command"]) for record in records]
    threads = " ".join(f"{name}={value}" for name, value in ONE_THREAD.items())
    commands = "\n".join([f"export {threads}", *dict.fromkeys(lines)])
    seeds = sorted({row.run.settings["seed"] for row in report.rows})
    return (
        f"<section><h2>What was run</h2><p>Images: {text(data.source)}, "
        f"{data.images.shape[1]} × {data.images.shape[2]} pixels.</p>{images}"
        f"{listing(data.warnings)}{example_sheets(data)}"
        f"<h3>Network</h3>{table(['layer', 'form', 'output', 'parameters'], layers)}"
        f"<p>{total:,} parameters; three blocks of convolution, 2 × 2 max-pooling and ReLU, "
        f"then two fully connected layers with dropout before each. SGD, momentum 0.9.</p>"
        f"<p>torch {text(identity['torch version'])}, numpy {text(identity['numpy version'])}, "
        f"{text(identity['device'])}, {identity['threads']} thread per training, "
        f"{text(identity['precision'])}; {text(first.train['machine'])}; "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}.</p>"
        "<details><summary>Times</summary><p>A training's time includes that of the shorter one "
        f"it went on from.</p>{times}</details>"
        f"<details><summary>Commands</summary><pre>{text(commands)}</pre></details></section>"
    )


def example_sheets(data: Data) -> str:
    """A sheet of training images of each class."""
    sheets = []
    for target, name in enumerate(data.classes):
        own = data.splits["train"][data.targets[data.splits["train"]] == target]
        chosen = own[np.linspace(0, len(own) - 1, min(EXAMPLES, len(own))).astype(int)]
        tiles = "".join(tile(data.images[index], "") for index in chosen)
        sheets.append(f'<h3>Examples of {text(name)}</h3><div class="sheet">{tiles}</div>')
    return "".join(sheets)


def mistakes_section(report: Report) -> str:
    """The test images that the best setting got most wrong."""
    groups = [rows for study in report.studies for rows in report.settings(study)]
    best = max(groups, key=lambda rows: as_setting(rows, report).valid_accuracy)[0]
    wrong = np.flatnonzero(~best.result.right)
    worst = wrong[np.argsort(-best.probability[wrong], kind="stable")][:MISTAKES]
    indices = report.data.splits["test"]
    tiles = "".join(
        tile(
            report.data.images[indices[number]],
            f"{best.result.predicted[number]} {100 * best.probability[number]:.0f}%",
            report.data.names[indices[number]],
        )
        for number in worst
    )
    matrix = picture(best.run.result / "confusion_matrix.png", "confusion matrix")
    return (
        f"<section><h2>A look at mistakes</h2><p>The best setting by validation accuracy, "
        f"{text(best.run.name)}, got {len(wrong):,} of {len(best.result.right):,} test images "
        "wrong. These it was surest of, with the class it predicted and the softmax "
        f'probability.</p><div class="sheet">{tiles}</div><figure class="small">{matrix}</figure>'
        "</section>"
    )


# --- pieces of HTML --------------------------------------------------------------------------


def text(words: object) -> str:
    """Text, never markup: names of classes, files and folders come from the user."""
    return html.escape(str(words))


def listing(sentences: list[str]) -> str:
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""


def table(head: list[str], rows: list[list]) -> str:
    """A plain table of texts."""
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{text(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def picture(path: Path, description: str) -> str:
    """A PNG as part of the page."""
    if not path.is_file():
        return ""
    return image_tag(path.read_bytes(), description)


def image_tag(png: bytes, description: str) -> str:
    encoded = base64.b64encode(png).decode("ascii")
    return f'<img alt="{text(description)}" src="data:image/png;base64,{encoded}">'


def tile(pixels: np.ndarray, caption: str, name: str = "") -> str:
    """A small image with a caption; `pixels` is uint8 (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    shown = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f'<figure title="{text(name)}">{image_tag(file.getvalue(), caption)}{shown}</figure>'
