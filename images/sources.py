"""Which images a program works on: a folder, or a source that has a name.

    source = open_source("shapes")   # decodes and draws nothing yet

Of the named ones, shapes are drawn; pets and cifar10 are torchvision's, cat against dog, and
downloaded to data/ where they are not there yet.
"""

from argparse import Namespace
from pathlib import Path

from console.errors import InputError
from images.folders import Item, Source, folder_source, stamp_of
from images.walk import is_picture
from records.sources import PROJECT

DOWNLOADS = PROJECT / "data"  # where pets and cifar10 are kept
PETS_FOLDER, CIFAR_FOLDER = "oxford-iiit-pet", "cifar-10-batches-py"  # torchvision's names
CLASSES = ("cat", "dog")


def fill_data_defaults(options: Namespace) -> Namespace:
    """Fill in what the user left open; `options.images` is then what load_data takes."""
    options.data = options.data or default_source(Path("data"))
    options.image_size = options.image_size or {"shapes": 32, "cifar10": 32}.get(options.data, 64)
    options.images = (options.data, options.image_size, options.skip_bad_images)
    return options


def default_source(folder: Path) -> str:
    """Name the source used when the user names none: data/ if it holds images, else shapes."""
    children = list(folder.iterdir()) if folder.is_dir() else []
    pictures = any(is_picture(child.name) for child in children)
    folders = {child.name for child in children if child.is_dir() and child.name[0] != "."}
    return str(folder) if pictures or folders - {PETS_FOLDER, CIFAR_FOLDER} else "shapes"


def open_source(data: str) -> Source:
    """Find out what images a source holds; public sets are downloaded first where needed.

    InputError if the folder is missing or laid out otherwise, or nothing could be fetched;
    OSError if a file of a public set is missing.
    """
    if data in BUILT_IN:
        return BUILT_IN[data]()
    if not Path(data).is_dir():
        known = f"--data takes a folder of images or one of: {', '.join(BUILT_IN)}"
        raise InputError(f"{data} is not a folder; {known}")
    return folder_source(Path(data))


def shapes_source() -> Source:
    """Drawn images: nothing to download, hard in the way photographs are."""
    from images import shapes  # here: it needs numpy, which --help does without

    def items() -> list[Item]:
        drawn = shapes.draw_all()
        return [Item(f"{part}/{n:05d}", part, *image) for n, (part, *image) in enumerate(drawn)]

    return Source("shapes", shapes.CLASSES, items)


def pets_source() -> Source:
    """Oxford-IIIT Pet with its own trainval/test split.

    Parkhi et al. 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/. Lines of its lists read
    "image class species breed"; species 1 is cat, 2 is dog.
    """
    root, items = DOWNLOADS / PETS_FOLDER, []
    if not (root / "annotations/test.txt").is_file() or not (root / "images").is_dir():
        download("OxfordIIITPet", split="trainval")
    for part, name in (("train", "trainval"), ("test", "test")):
        for line in (root / f"annotations/{name}.txt").read_text(encoding="utf-8").splitlines():
            image, _, species, _ = line.split()
            file = str(root / f"images/{image}.jpg")
            items.append(Item(f"{image}.jpg", part, int(species) - 1, file))
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
        dataset = download("CIFAR10", train=part == "train")
        targets = {dataset.class_to_idx[name]: target for target, name in enumerate(CLASSES)}
        for number, (label, pixels) in enumerate(zip(dataset.targets, dataset.data, strict=True)):
            if label in targets:
                items.append(Item(f"{part}/{number:05d}", part, targets[label], pixels))
    return items


def download(name: str, **options: object) -> object:
    """Open one of torchvision's data sets, which downloads what is missing and checks it."""
    import torchvision  # here, since it takes seconds and few runs need it

    try:
        return getattr(torchvision.datasets, name)(DOWNLOADS, **options, download=True)
    except (OSError, RuntimeError) as error:
        remedy = "connect to a network, copy the files there, or name a folder (--data)"
        raise InputError(f"cannot fetch {name} into {DOWNLOADS}: {error}; {remedy}") from None


BUILT_IN = {"shapes": shapes_source, "pets": pets_source, "cifar10": cifar10_source}
