"""What train.py and test.py share: batches, the step, checkpoints, processes."""
