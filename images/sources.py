"""Which images a program works on: a folder, or a source that has a name.

    source = open_source("shapes")   # decodes and draws nothing yet

Of the named ones, shapes are drawn; pets and cifar10 are torchvision's, cat against dog, and
downloaded to data/ where they are not there yet.
"""

from argparse import Namespace
from pathlib import Path
from typing import Any

from console.errors import InputError
from images.folders import Item, Source, folder_source, stamp_of
from images.walk import is_picture
from records.sources import PROJECT

DOWNLOADS = PROJECT / "data"  # where pets and cifar10 are kept
PETS_FOLDER, CIFAR_FOLDER = "oxford-iiit-pet", "cifar-10-batches-py"  # torchvision's names
CLASSES = ("cat", "dog")
IMAGE_SIZE = 64  # side in pixels, where the user names none
SHAPES = "shapes"  # images that the program draws
IMAGE_SIZES = {SHAPES: 32, "cifar10": 32}


def fill_data_defaults(options: Namespace) -> Namespace:
    """Fill in what the user left open; `options.images` is then what load_data takes."""
    options.data = options.data or default_source(Path("data"))
    options.image_size = options.image_size or IMAGE_SIZES.get(options.data, IMAGE_SIZE)
    options.images = (
        options.data,
        options.image_size,
        options.skip_bad_images,
        options.group,
    )
    return options


def image_folder(data: str) -> Path | None:
    """The folder that holds the images that --data names; None for those that are built in."""
    if data in BUILT_IN:
        return None
    return Path(data)


def default_source(folder: Path) -> str:
    """Name the source used when the user names none: data/ if it holds images, else shapes."""
    if not folder.is_dir():
        return SHAPES
    for child in folder.iterdir():
        if is_picture(child.name):
            return str(folder)
        is_hidden = child.name.startswith(".")
        is_download = child.name in (PETS_FOLDER, CIFAR_FOLDER)
        if child.is_dir() and not is_hidden and not is_download:
            return str(folder)
    return SHAPES


def open_source(data: str, group: bool = False) -> Source:
    """Find out what images a source holds; public sets are downloaded first where needed.

    InputError if the folder is missing or laid out otherwise, or nothing could be fetched, or the
    name may mean two things; OSError if a file of a public set is missing. `group` as in
    find_layout.
    """
    if data in BUILT_IN:
        if Path(data).is_dir():
            both = f"{data} is a built-in set, and a folder of this name lies here"
            remedy = f"name the folder --data ./{data}, or rename it to use the built-in set"
            raise InputError(f"{both}; {remedy}")
        return BUILT_IN[data]()
    if not Path(data).is_dir():
        known = f"--data takes a folder of images or one of: {', '.join(BUILT_IN)}"
        raise InputError(f"{data} is not a folder; {known}")
    return folder_source(Path(data), group)


def shapes_source() -> Source:
    """Drawn images: nothing to download, hard in the way photographs are."""
    from images import shapes  # here: it needs numpy, which --help does without

    def items() -> list[Item]:
        all_items = []
        for number, drawn in enumerate(shapes.draw_all()):
            name = f"{drawn.part}/{number:05d}"
            all_items.append(Item(name, drawn.part, drawn.target, drawn.image))
        return all_items

    return Source(SHAPES, shapes.CLASSES, items)


def pets_source() -> Source:
    """Oxford-IIIT Pet with its own trainval/test split.

    Parkhi et al. 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/. Lines of its lists read
    "image class species breed"; species 1 is cat, 2 is dog.
    """
    root = DOWNLOADS / PETS_FOLDER
    if not (root / "annotations/test.txt").is_file() or not (root / "images").is_dir():
        download("OxfordIIITPet", split="trainval")
    items = []
    for part, name in (("train", "trainval"), ("test", "test")):
        text = (root / f"annotations/{name}.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            image, _, species, _ = line.split()
            path = root / f"images/{image}.jpg"
            target = int(species) - 1
            items.append(Item(path.name, part, target, str(path)))
    return Source("pets", CLASSES, lambda: items, stamp_of(items))


def cifar10_source() -> Source:
    """CIFAR-10 (Krizhevsky 2009) with its own train/test split, downloaded when decoded.

    No stamp: torchvision checks the digests of its files.
    """
    return Source("cifar10", CLASSES, cifar10_items)


def cifar10_items() -> list[Item]:
    """Read cats and dogs out of CIFAR-10's ten classes."""
    items = []
    for part in ("train", "test"):
        dataset = download("CIFAR10", train=(part == "train"))
        labels = [dataset.class_to_idx[name] for name in CLASSES]
        for number, label in enumerate(dataset.targets):
            if label in labels:
                name = f"{part}/{number:05d}"
                items.append(Item(name, part, labels.index(label), dataset.data[number]))
    return items


def download(name: str, **options: str | bool) -> Any:
    """Open one of torchvision's data sets, which downloads what is missing and checks it."""
    import torchvision  # here, since it takes seconds and few runs need it

    open_set = getattr(torchvision.datasets, name)
    try:
        return open_set(DOWNLOADS, **options, download=True)
    except (OSError, RuntimeError) as error:
        remedy = "connect to a network, copy the files there, or name a folder (--data)"
        raise InputError(f"cannot fetch {name} into {DOWNLOADS}: {error}; {remedy}") from None


BUILT_IN = {SHAPES: shapes_source, "pets": pets_source, "cifar10": cifar10_source}
