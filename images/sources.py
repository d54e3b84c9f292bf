"""Which images a program works on: a folder, or a source that has a name.

    source = open_source("shapes", Path("data"))   # decodes and draws nothing yet

Of the named ones, shapes are drawn; pets and cifar10 are torchvision's, cat against dog, and
downloaded where they are not there yet.
"""

from argparse import Namespace
from pathlib import Path

from console.errors import InputError
from images import shapes
from images.folders import ENDINGS, Item, Source, folder_source
from records.files import digest_of, file_digest

DOWNLOADED = ("pets", "cifar10")
BUILT_IN = ("shapes", *DOWNLOADED)
SMALL = ("shapes", "cifar10")  # sources whose images have 32 pixels by nature
PETS_FOLDER, CIFAR_FOLDER = "oxford-iiit-pet", "cifar-10-batches-py"  # torchvision's names
CLASSES = ("cat", "dog")


def fill_data_defaults(options: Namespace) -> Namespace:
    """Fill in what the user left open; `options.images` is then what load_data takes."""
    options.data = options.data or default_source(Path("data"))
    options.image_size = options.image_size or (32 if options.data in SMALL else 64)
    handling = (options.skip_bad_images, options.download_folder)
    options.images = (options.data, options.image_size, *handling)
    return options


def default_source(folder: Path) -> str:
    """Name the source used when the user names none: data/ if it holds images, else shapes."""
    names = [child.name for child in folder.iterdir()] if folder.is_dir() else []
    folders = [name for name in names if (folder / name).is_dir()]
    pictures = [name for name in names if name.lower().endswith(ENDINGS)]
    return str(folder) if pictures or {*folders} - {PETS_FOLDER, CIFAR_FOLDER} else "shapes"


def open_source(data: str, download_folder: Path) -> Source:
    """Find out what images a source holds; public sets are downloaded first where needed.

    InputError if the folder is missing or laid out otherwise, or nothing could be fetched.
    """
    if data in DOWNLOADED:
        return {"pets": pets_source, "cifar10": cifar10_source}[data](download_folder)
    if data == "shapes":
        return Source("shapes", shapes.CLASSES, file_digest(Path(shapes.__file__)), shapes_items)
    if not Path(data).is_dir():
        known = f"--data takes a folder of images or one of: {', '.join(BUILT_IN)}"
        raise InputError(f"{data} is not a folder; {known}")
    return folder_source(Path(data))


def shapes_items() -> list[Item]:
    """Draw every image: nothing to download, hard in the way photographs are."""
    drawn = enumerate(shapes.draw_all())
    return [
        Item(f"{part}/{number:05d}", part, target, own) for number, (part, target, own) in drawn
    ]


def pets_source(download_folder: Path) -> Source:
    """Oxford-IIIT Pet with its own trainval/test split.

    Parkhi et al. 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/. Lines of its lists read
    "image class species breed"; species 1 is cat, 2 is dog.
    """
    root, items = download_folder / PETS_FOLDER, []
    lists = {"train": root / "annotations" / "trainval.txt", "test": root / "annotations/test.txt"}
    if not all(path.is_file() for path in lists.values()) or not (root / "images").is_dir():
        download("OxfordIIITPet", download_folder, split="trainval")
    try:
        for part, path in lists.items():
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip() and not line.startswith("#"):
                    image, _, species, _ = line.split()
                    picture = root / "images" / f"{image}.jpg"
                    items.append(Item(picture.name, part, int(species) - 1, picture))
        stamps = [(own.part, own.target, *size_and_time(own.content)) for own in items]
    except FileNotFoundError as error:
        remedy = f"remove {root} and run again, which downloads it anew"
        raise InputError(f"{error.filename} is missing; {remedy}") from None
    return Source("pets", CLASSES, digest_of(stamps), lambda: items)


def cifar10_source(download_folder: Path) -> Source:
    """CIFAR-10 (Krizhevsky 2009) with its own train/test split."""
    root = download_folder / CIFAR_FOLDER
    if not (root / "test_batch").is_file():
        download("CIFAR10", download_folder, train=True)
    stamps = [size_and_time(path) for path in sorted(root.iterdir())]
    return Source("cifar10", CLASSES, digest_of(stamps), lambda: cifar10_items(download_folder))


def cifar10_items(download_folder: Path) -> list[Item]:
    """Read cats and dogs out of CIFAR-10's ten classes."""
    items = []
    for part in ("train", "test"):
        dataset = download("CIFAR10", download_folder, train=part == "train")
        targets = {dataset.class_to_idx[name]: target for target, name in enumerate(CLASSES)}
        for number, (label, pixels) in enumerate(zip(dataset.targets, dataset.data, strict=True)):
            if label in targets:
                items.append(Item(f"{part}/{number:05d}", part, targets[label], pixels))
    return items


def download(name: str, folder: Path, **options: object) -> object:
    """Open one of torchvision's data sets, which downloads what is missing and checks it."""
    import torchvision  # here, since it takes seconds and few runs need it

    try:
        return getattr(torchvision.datasets, name)(folder, **options, download=True)
    except (OSError, RuntimeError) as error:
        remedy = (
            "connect this machine to a network, copy the files there, or name a folder (--data)"
        )
        raise InputError(f"cannot fetch {name} into {folder}: {error}; {remedy}") from None


def size_and_time(path: Path) -> tuple[str, int, int]:
    """Name, size in bytes and time of change of a file; OSError if it is missing."""
    state = path.stat()
    return (path.name, state.st_size, state.st_mtime_ns)
