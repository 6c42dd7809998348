"""Time against size on logarithmic axes: slopes and plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

Points = Sequence[tuple[float, float]]  # (size, seconds)


def slope(points: Points) -> float:
    """Return the exponent of the power law fitted to points (size, seconds)."""
    size, seconds = np.log(np.array(points)).T
    return float(np.polyfit(size, seconds, 1)[0])


def plot(
    panels: Mapping[str, Mapping[str, Points]], path: Path, title: str, guides: Sequence[int] = (1, 2)
) -> None:
    """Draw one panel for each varied size, with one curve for each task, and write it as PNG.

    Args:
        panels: points by varied size, then by task.
        path: the PNG file.
        title: title of the figure.
        guides: slopes of thin lines that start at the first point of the first curve.
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
