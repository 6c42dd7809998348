"""Time against size, on doubly logarithmic axes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = ["plot", "slope"]

Points = Sequence[tuple[float, float]]  # (size, seconds)


def slope(points: Points) -> float:
    """The exponent of the power law fitted to points."""
    size, seconds = np.log(np.array(points)).T
    return float(np.polyfit(size, seconds, 1)[0])


def plot(
    panels: Mapping[str, Mapping[str, Points]], path: Path, title: str, guides: Sequence[int] = (1, 2)
) -> None:
    """Draws a panel for each size that varies, with a curve for each task.

    Args:
        panels: by what varies, then by task.
        path: of the PNG.
        title: of the figure.
        guides: slopes of the thin lines that start where the first curve of a panel does.
    """
    import matplotlib  # pyright: ignore[reportMissingImports]

    matplotlib.use("Agg")
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]

    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.8), squeeze=False)
    for ax, (varied, curves) in zip(axes[0], panels.items(), strict=True):
        for task, points in curves.items():
            size, seconds = np.array(points).T
            ax.loglog(size, 1e3 * seconds, marker="o", label=f"{task} (slope {slope(points):.2f})")
        size, seconds = np.array(next(iter(curves.values()))).T
        for guide, style in zip(guides, (":", "--", "-."), strict=False):
            line = 1e3 * seconds[0] * (size / size[0]) ** guide
            ax.loglog(size, line, style, color="grey", linewidth=1, label=f"slope {guide}")
        times = [1e3 * y for points in curves.values() for _, y in points]
        ax.set_ylim(min(times) / 2, max(times) * 2)
        ax.set_xlabel(varied)
        ax.set_ylabel("milliseconds")
        ax.legend(fontsize="x-small")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
