"""Writes `ratings.csv` and `movies.csv` of made-up viewers, with the columns of MovieLens' small data set.

Viewers like two genres each and watch within them, the newest and best-known movies first.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

GENRES = ("Comedy", "Crime", "Documentary", "Fantasy", "Horror", "Romance", "Sci-Fi", "Western")
FIRST = ("Silent", "Last", "Golden", "Broken", "Hidden", "Distant", "Burning", "Second", "Frozen", "Little")
LAST = ("River", "Garden", "Witness", "Harbour", "Promise", "Mirror", "Summer", "Stranger", "Road", "Island")
MOVIES, VIEWERS, RATINGS_EACH = 300, 600, 30
START, DAY = 1_700_000_000, 86_400


def main() -> None:
    """Writes both files into the current directory; the same ones every time."""
    random = np.random.default_rng(7)
    genre_of = random.integers(len(GENRES), size=MOVIES)
    years = random.integers(1960, 2024, size=MOVIES)
    names = [
        f"{FIRST[n % 10]} {LAST[n // 10 % 10]}{' ' + 'I' * (n // 100 + 1) if n >= 100 else ''}" for n in range(MOVIES)
    ]
    movies = [(movie + 1, f"The {names[movie]} ({years[movie]})", GENRES[genre_of[movie]]) for movie in range(MOVIES)]
    ratings = [row for viewer in range(1, VIEWERS + 1) for row in _ratings(random, viewer, genre_of)]
    _write("movies.csv", ("movieId", "title", "genres"), movies)
    _write("ratings.csv", ("userId", "movieId", "rating", "timestamp"), ratings)


def _ratings(random: np.random.Generator, viewer: int, genre_of: np.ndarray) -> Iterable[tuple[object, ...]]:
    """One viewer's ratings in the order of their times."""
    liked = random.choice(len(GENRES), size=2, replace=False)
    known = 1 / np.arange(3, MOVIES + 3)
    weights = known * np.where(np.isin(genre_of, liked), 12, 1)
    seen = random.choice(MOVIES, size=RATINGS_EACH, replace=False, p=weights / weights.sum())
    time = START + int(random.integers(300)) * DAY
    for movie in seen:
        time += int(random.integers(60, 5 * DAY))
        rating = 3 + int(genre_of[movie] in liked) + int(random.integers(2)) / 2
        yield viewer, movie + 1, rating, time


def _write(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    print(f"wrote {name}")


if __name__ == "__main__":
    main()
