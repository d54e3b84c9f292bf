"""An epoch of the same network on the same images: train.py, Lightning, Keras, the report's way.

    python benchmarks/peers.py --data FOLDER [--image_size 32] [--rounds 3]

FOLDER has train/ and test/. Each way runs in a process of its own, as its tutorial does it, and
the processes take turns, so that drift of the machine meets all alike. train.py runs as the
program it is, timed by its own record. What is not installed is left out: pip install
pytorch-lightning tensorflow.
"""

import argparse
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO

from measure import epoch_seconds, in_turn, parse, parser, print_machine, print_ratios

from dataset import load_data  # what needs torch is imported where a way runs: Keras has none

CHANNELS = (8, 24, 48)
EPOCHS = 3  # of each training of train.py
READY = "ready"  # a child's first line, if it can run


def report(data: str, image_size: int) -> Callable[[], object]:
    """The report's way: ImageFolder and DataLoader."""
    import tutorial

    return tutorial.epoch_of(load_data(data, image_size), CHANNELS)


def lightning(data: str, image_size: int) -> Callable[[], object]:
    """PyTorch Lightning: a LightningModule, a Trainer, the same loaders."""
    import pytorch_lightning
    import torch
    import torch.nn.functional as F
    import tutorial

    class Module(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = tutorial.TutorialCNN(CHANNELS, image_size)

        def training_step(self, batch: list, _: int) -> torch.Tensor:
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: list, _: int) -> None:
            self.log("valid_loss", F.cross_entropy(self.model(batch[0]), batch[1]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)

    module, loaders = Module(), tutorial.loaders(load_data(data, image_size))

    def epoch() -> None:
        trainer = pytorch_lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, *loaders)

    return epoch


def keras(data: str, image_size: int) -> Callable[[], object]:
    """Keras on TensorFlow, its data pipeline with cache, shuffle and prefetch."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    images = load_data(data, image_size)
    layers = tf.keras.layers
    network = [layers.Input((image_size, image_size, 3)), layers.Rescaling(1 / 127.5, -1)]
    for width in CHANNELS:
        network += [layers.Conv2D(width, 3, padding="same", activation="relu")]
        network += [layers.MaxPooling2D()]
    network += [layers.Flatten(), layers.Dropout(0.5), layers.Dense(64, activation="relu")]
    network += [layers.Dropout(0.5), layers.Dense(2)]
    model = tf.keras.Sequential(network)
    model.compile(
        tf.keras.optimizers.SGD(0.01, momentum=0.9),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def read(path: tf.Tensor, target: tf.Tensor) -> tuple:
        image = tf.io.decode_image(tf.io.read_file(path), 3, expand_animations=False)
        return tf.image.resize(image, (image_size, image_size)), target

    def pipeline(part: str) -> tf.data.Dataset:
        paths = [f"{images.source}/{images.names[i]}" for i in images.splits[part]]
        pairs = (paths, images.targets[images.splits[part]])
        return tf.data.Dataset.from_tensor_slices(pairs).map(read, tf.data.AUTOTUNE).cache()

    train = pipeline("train").shuffle(10000).batch(32).prefetch(tf.data.AUTOTUNE)
    valid = pipeline("valid").batch(256).prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(train, validation_data=valid, epochs=1, verbose=0)


WAYS = {
    "the report's way": report,
    "Lightning": lightning,
    "Keras/TensorFlow": keras,
}


def serve(way: str, data: str, image_size: int) -> None:
    """In a child: say whether a way can run; then an epoch for every line of input, its seconds."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    try:
        epoch = WAYS[way](data, image_size)
    except Exception as error:  # a library may be missing, or of another version
        print(f"{type(error).__name__}: {error}".split("\n")[0], file=answers)
        return
    print(READY, file=answers)
    for _ in sys.stdin:
        started = time.perf_counter()
        epoch()
        print(time.perf_counter() - started, file=answers)


def start(way: str, options: Namespace) -> Popen[str]:
    """Start the child of a way."""
    command = [sys.executable, str(Path(__file__).resolve()), "--way", way]
    command += ["--data", options.data, "--image_size", str(options.image_size)]
    return Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)


def ask(child: Popen[str]) -> float:
    """Have a child run an epoch; its seconds."""
    to_child, from_child = pipes_of(child)
    to_child.write("epoch\n")
    to_child.flush()
    return float(from_child.readline())


def pipes_of(child: Popen[str]) -> tuple[IO[str], IO[str]]:
    """What a child reads, and what it writes."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("the child was started without pipes")
    return child.stdin, child.stdout


def main() -> None:
    options_parser = parser(__doc__, image_size=32, rounds=3)
    options_parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parse(options_parser, rounds=1)
    if options.way:
        serve(options.way, options.data, options.image_size)
        return
    print_machine()
    children = {way: start(way, options) for way in WAYS}
    ways: dict[str, Callable[[], float]] = {}
    for way, child in children.items():
        answer = pipes_of(child)[1].readline().strip()
        if answer == READY:
            ways[way] = partial(ask, child)
        else:
            print(f"{way} is left out: {answer or 'its program failed'}")
    cores = os.cpu_count() or 1
    ways["train.py"] = partial(epoch_seconds, options.data, options.image_size, EPOCHS, cores)
    in_turn(ways, 1)  # warms up: caches, compilation
    medians = in_turn(ways, options.rounds)
    for child in children.values():
        child.communicate()  # closes its input, which ends it
    print_ratios("an epoch (training and validation), 8-24-48, all cores", medians)


if __name__ == "__main__":
    main()
