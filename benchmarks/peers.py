"""An epoch of the same network on the same images: train.py, Lightning, Keras, the report's way.

    python benchmarks/peers.py --data FOLDER [--image_size 32] [--rounds 3]

FOLDER has train/ and test/. Each way runs in a process of its own, as its tutorial does it, and
the processes take turns, so that drift of the machine meets all alike. Lightning and Keras
are installed into a temporary environment and removed again.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import PROJECT, print_machine, print_ratios

CHANNELS = (8, 24, 48)
LIGHTNING = ["pytorch-lightning", "lightning-utilities", "torchmetrics"]
LIGHTNING_NEEDS = ["fsspec", "packaging", "pyyaml", "tqdm", "aiohttp"]


def ours(data: str, image_size: int) -> Callable[[], object]:
    """train.py's epoch."""
    import torch
    from batches import Images
    from one_training import Ours

    from dataset import load_data
    from model import CNN

    images = Images(load_data(data, image_size), torch.device("cpu"))
    return Ours(images, CNN(CHANNELS)).epoch


def report(data: str, image_size: int) -> Callable[[], object]:
    """The report's way: ImageFolder and DataLoader."""
    import tutorial
    from torch import nn

    from dataset import load_data

    own = load_data(data, image_size)
    model, optimizer = tutorial.make(CHANNELS, image_size)
    criterion, loaders = nn.CrossEntropyLoss(), tutorial.loaders(own, 32)
    return lambda: tutorial.epoch(model, optimizer, criterion, *loaders)


def lightning(data: str, image_size: int) -> Callable[[], object]:
    """PyTorch Lightning: a LightningModule, a Trainer, the same loaders."""
    import pytorch_lightning
    import torch
    import torch.nn.functional as F
    import tutorial

    from dataset import load_data

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

    module, loaders = Module(), tutorial.loaders(load_data(data, image_size), 32)

    def epoch() -> None:
        trainer = pytorch_lightning.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(module, *loaders)

    return epoch


def keras(data: str, image_size: int) -> Callable[[], object]:
    """Keras on TensorFlow, its data pipeline with cache, shuffle and prefetch."""
    import tensorflow as tf

    from dataset import load_data

    own = load_data(data, image_size)
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
        paths = [f"{own.source}/{own.names[i]}" for i in own.splits[part]]
        pairs = (paths, own.targets[own.splits[part]])
        return tf.data.Dataset.from_tensor_slices(pairs).map(read, tf.data.AUTOTUNE).cache()

    train = pipeline("train").shuffle(10000).batch(32).prefetch(tf.data.AUTOTUNE)
    valid = pipeline("valid").batch(256).prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(train, validation_data=valid, epochs=1, verbose=0)


WAYS = {"the report's way": report, "Lightning": lightning, "Keras/TensorFlow": keras,
        "train.py": ours}  # fmt: skip


def serve(way: str, data: str, image_size: int) -> None:
    """In a child: run an epoch for every line on standard input and print its seconds."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    epoch = WAYS[way](data, image_size)
    for _ in sys.stdin:
        started = time.perf_counter()
        epoch()
        print(time.perf_counter() - started, file=answers, flush=True)


def install(folder: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Install the peers; the Python and environment that each way runs with."""
    pip = ["-m", "pip", "install", "--quiet"]
    target = ["--target", str(folder / "lightning")]
    subprocess.run([sys.executable, *pip, *target, "--no-deps", *LIGHTNING], check=True)
    subprocess.run([sys.executable, *pip, *target, *LIGHTNING_NEEDS], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "keras")], check=True)
    python = str(folder / "keras" / "bin" / "python")
    subprocess.run([python, *pip, "tensorflow", "pillow"], check=True)
    same = (sys.executable, {})
    return {
        "the report's way": same,
        "Lightning": (sys.executable, {"PYTHONPATH": str(folder / "lightning")}),
        "Keras/TensorFlow": (python, {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}),
        "train.py": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        serve(options.way, options.data, options.image_size)
        return
    print_machine()
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        programs = install(Path(folder))
        children = {}
        for way, (python, extra) in programs.items():
            arguments = [python, str(Path(__file__).resolve()), "--way", way, "--data"]
            arguments += [options.data, "--image_size", str(options.image_size)]
            children[way] = subprocess.Popen(
                arguments, env={**os.environ, **extra}, cwd=PROJECT / "benchmarks", text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        for round_number in range(options.rounds + 1):
            for way, child in children.items():
                child.stdin.write("epoch\n")
                child.stdin.flush()
                seconds = float(child.stdout.readline())
                if round_number:  # the first warms up: caches, compilation
                    times[way].append(seconds)
        for child in children.values():
            child.stdin.close()
            child.wait()
    medians = {way: statistics.median(own) for way, own in times.items()}
    print_ratios("an epoch (training and validation), 8-24-48, all cores", medians)


if __name__ == "__main__":
    main()
