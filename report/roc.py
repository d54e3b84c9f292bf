"""The ROC curves of a study's settings in one picture, from the predictions of the test images.

draw_roc(Path("result/Change_epochs/roc.png"), settings, data.classes)
"""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from records.finished import read_predictions
from report.figures import draw_picture, short
from report.results import Setting
from report.study import add_legend, colour_curves, empty_panel
from report.summary import scores_of

ALARMS = np.linspace(0, 1, 201)  # shares of false alarms at which the curves of seeds are averaged


def draw_roc(
    path: Path, settings: list[Setting], classes: list[str], for_print: bool = False
) -> None:
    """Draw the curves, where the test images hold both classes; AUC is the area below one."""
    shows: list[object] = [classes]
    for setting in settings:
        digests = [result.test["predictions_sha256"] for result in setting.results]
        shows.append([setting.study, setting.label, digests])
    draw_picture(path, shows, partial(roc_figure, settings, classes), for_print)


def roc_figure(settings: list[Setting], classes: list[str], for_print: bool) -> Figure:
    """A curve for every setting: the mean over its seeds."""
    figure, axes = empty_panel(settings)
    colour_curves(axes, settings)
    for setting in settings:
        hits = mean_roc(setting, classes)
        axes.plot([0, *ALARMS], [0, *hits], label=short(setting.label))
    axes.plot([0, 1], [0, 1], "-", color="0.7", linewidth=0.8, zorder=0)
    first, second = [short(name, length=12) for name in classes]
    axes.set_title("ROC curves, test images", loc="left")
    axes.set_xlabel(f"Share of {first} called {second}")
    axes.set_ylabel(f"Share of {second} called so")
    add_legend(figure, axes, settings)
    return figure


def mean_roc(setting: Setting, classes: list[str]) -> np.ndarray:
    """Mean share of the second class that is called so, float, at each share of ALARMS."""
    curves = []
    for result in setting.results:
        alarms, hits = roc_of(*scores_of(read_predictions(result.folder), classes))
        curves.append(np.interp(ALARMS, alarms, hits))
    return np.mean(curves, axis=0)


def roc_of(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the others and of the positive that score at least so much, for every score.

    `scores` is float (n,), `positive` bool (n,), both kinds in it. Equal scores are one step.
    """
    falling = np.argsort(-scores)
    last_of_each = np.flatnonzero(np.diff(scores[falling], append=-np.inf))
    hits = np.cumsum(positive[falling])[last_of_each]
    alarms = 1 + last_of_each - hits
    return np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1])
