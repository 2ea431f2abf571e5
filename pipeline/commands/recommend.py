"""`recommend`: asks a published model, in a process that imports TensorFlow and the model, nothing else."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted, shown
from models.spec.features import HISTORY, QUERY_ID
from pipeline.commands import options

if TYPE_CHECKING:
    from pipeline.execution.published import Published

Ranked: TypeAlias = Sequence[tuple[str, float]]
"""Ids and scores of candidates, best first."""

_HISTORY_SHOWN = 10
_SHOWN = 10
_DEFAULT = "serving_default"
_KNOWS = "recommend_known"


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "recommend",
        help="ask the published model for recommendations",
        description="Asks the newest published model of a pipeline. Either for a known query, whose stored features "
        "and history are looked up, or for any features and history that you give. Absent inputs count as missing. "
        "Titles come from the column that `display` names in the configuration.",
        epilog="""examples:
  recommend quickstart --query-id q7
  recommend quickstart --requests today.csv --out answers.parquet
  recommend quickstart --features '{"country": "NL", "age": 33}' --history '["c12", "c99"]' -k 5
  recommend shop --query-id q7 --where country=DE,AT --where price=..100 --max-per brand=2""",
        formatter_class=options.HelpWithExamples,
    )
    options.add_published_pipeline(parser)
    parser.add_argument("--query-id", type=_text, metavar="ID", help="a query of the model's data")
    parser.add_argument("--features", default="{}", metavar="JSON", help="query and context features by name")
    parser.add_argument("--history", default=None, metavar="JSON", help="candidate ids, the most recent last")
    _add_selection(parser)
    parser.add_argument(
        "-k",
        type=options.positive,
        metavar="N",
        help=f"show the first N of the model's serving.top_k answers (default: {_SHOWN}; all of them with --requests)",
    )
    _add_files(parser)
    parser.add_argument("--exact", action="store_true", help="ask the exact model instead of the ScaNN model")
    parser.add_argument("--model", type=options.local_path, metavar="DIR", help="ask this exported SavedModel instead")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Adds the options that answer the rows of a file."""
    parser.add_argument(
        "--requests",
        type=options.local_path,
        metavar="FILE",
        help="answer every row of a CSV, JSON Lines or Parquet file, in its order; the columns are the signature's "
        "inputs",
    )
    parser.add_argument(
        "--out", type=options.local_path, metavar="FILE", help="where the answers go: .parquet or .jsonl"
    )
    parser.add_argument(
        "--signature",
        default=_DEFAULT,
        metavar="NAME",
        help="signature that answers --requests, such as recommend_known or recommend_filtered (default: %(default)s)",
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """Adds the options that select by attributes."""
    parser.add_argument(
        "--where",
        type=_text,
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="a filter of index.filters: values with commas between them or as a JSON list, FROM..TO for a range; may "
        "be repeated",
    )
    parser.add_argument(
        "--max-per",
        type=_text,
        action="append",
        default=[],
        metavar="NAME=N",
        help="at most N candidates per value of an attribute of index.max_per",
    )
    parser.add_argument(
        "--mmr-lambda",
        type=float,
        metavar="L",
        help="from 1, relevance alone, to 0, diversity alone (maximal marginal relevance)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Prints the answer; exit code 2 if the request does not fit or nothing is published, 3 if the model is damaged."""
    from serving.model.ask import ask

    if arguments.requests is not None or arguments.out is not None:
        return _answer_file(arguments)
    question, shown_most = _question(arguments), arguments.k or _SHOWN
    answer = ask(question.model, question.request, signature=question.signature)
    if shown_most > answer.places:
        print(f"note: the model gives at most {answer.places} answers (serving.top_k)", file=sys.stderr)
    ranked = list(zip(answer.candidate_ids, answer.scores, strict=True))[:shown_most]
    names = {*question.history, *(name for name, _ in ranked)}
    titles = _titles(question.model, question.published, names)
    if arguments.json:
        print(json.dumps(_document(question.model, ranked, question.history, titles)))
    else:
        print("\n".join(_lines(question.model, ranked, question.history, titles)))
    return 0


def _answer_file(arguments: argparse.Namespace) -> int:
    """Answers the rows of a file; loads the model into this process."""
    from serving.model.batch_answers import answer_file

    if arguments.requests is None or arguments.out is None:
        raise ConfigError("--requests FILE and --out FILE go together")
    model, _ = _asked_model(arguments)
    if arguments.query_id is not None or _given(arguments) or _selected(arguments, model):
        raise ConfigError("--requests has all inputs of each row; leave those of a single request out")
    count = answer_file(model, arguments.requests, arguments.out, signature=arguments.signature, k=arguments.k)
    print(f"{model} answered {count:,} requests in {arguments.out}")
    return 0


@dataclass(frozen=True)
class _Question:
    """What to ask of which model.

    Attributes:
        model: directory of the SavedModel.
        signature: name of the signature.
        request: its inputs.
        history: the known history, to show it.
        published: the published model; None for another.
    """

    model: Path
    signature: str
    request: Mapping[str, Any]
    history: Sequence[str]
    published: "Published | None" = None


def _question(arguments: argparse.Namespace) -> _Question:
    """The question: to `recommend_known` where an id is all that the model needs."""
    from models.spec.selection import RECOMMEND_KNOWN_WHERE, RECOMMEND_WHERE
    from serving.model.descriptions import read_description

    model, published = _asked_model(arguments)
    given, query_id, selected = _given(arguments), arguments.query_id, _selected(arguments, model)
    signature, knows = (RECOMMEND_WHERE, RECOMMEND_KNOWN_WHERE) if selected else (_DEFAULT, _KNOWS)
    if query_id is None:
        return _Question(model, signature, {**given, **selected}, _ids(given), published)
    is_known = knows in read_description(model).signatures
    if published is None:
        if not is_known:
            raise ConfigError(
                "--query-id needs the records of the pipeline, or a model that stores its queries "
                "(serving.known_queries); --model names a model that does not"
            )
        return _Question(model, knows, {**given, **selected, QUERY_ID: query_id}, _ids(given))
    whole = {**published.stored_request(query_id), **given}
    if is_known and not given:
        return _Question(model, knows, {**selected, QUERY_ID: query_id}, _ids(whole), published)
    return _Question(model, signature, {**whole, **selected}, _ids(whole), published)


def _asked_model(arguments: argparse.Namespace) -> "tuple[Path, Published | None]":
    """The model to ask, undamaged, and the published pair that it is of; None for another model."""
    from pipeline.execution.published import Published
    from serving.model.descriptions import read_description
    from serving.model.version_digests import require_whole

    if arguments.model is not None:
        model: Path = arguments.model
        read_description(model)
        require_whole(model, "export it again")
        return model, None
    published = Published.newest(arguments.root, arguments.pipeline)
    published.require_whole()
    return published.exact if arguments.exact else published.scann, published


def _selected(arguments: argparse.Namespace, model: Path) -> Mapping[str, Any]:
    """The inputs that select by attributes."""
    from pipeline.selecting import selection
    from serving.model.descriptions import read_description

    where, max_per, mmr_lambda = arguments.where, arguments.max_per, arguments.mmr_lambda
    if not where and not max_per and mmr_lambda is None:
        return {}
    return selection(read_description(model), where=where, max_per=max_per, mmr_lambda=mmr_lambda)


def _ids(request: Mapping[str, Any]) -> list[str]:
    return [name for name in request.get(HISTORY) or [] if isinstance(name, str)]


def _titles(model: Path, published: "Published | None", ids: Collection[str]) -> Mapping[str, str]:
    """Titles that are stored with the model, or else from the pipeline's records."""
    from pipeline.reporting.published_titles import published_titles
    from serving.model.item_columns import read_item_columns

    items = read_item_columns(model)
    if items is not None and items.display is not None:
        return items.titles(ids)
    return published_titles(published, ids) if published else {}


def _document(model: Path, ranked: Ranked, history: Sequence[str], titles: Mapping[str, str]) -> dict[str, Any]:
    """The answer for `--json`; only what has a title has the key `title`."""

    def named(name: str) -> dict[str, Any]:
        return {"id": name, "title": titles[name]} if name in titles else {"id": name}

    return {
        "model": str(model),
        "candidates": [{**named(name), "score": score} for name, score in ranked],
        "history": [named(name) for name in history],
    }


def _lines(model: Path, ranked: Ranked, history: Sequence[str], titles: Mapping[str, str]) -> Iterator[str]:
    """The answer as text: the end of the history, then the candidates; titles beside the ids."""
    from dataplane.text_tables import text_table

    width = options.terminal_width()
    times = Counter(reversed(history))
    if latest := list(times)[:_HISTORY_SHOWN]:
        more = f" ({len(latest)} of {len(times)})" if len(latest) < len(times) else ""
        yield f"history, latest first{more}"
        rows = [[shown(name), _with_repeats(name, titles, times)] for name in latest]
        yield from text_table(rows, indent=2, width=width)
    yield f"{model} answers"
    rows = [
        [str(rank), f"{score:.4f}", name, shown(titles.get(name, ""))]
        for rank, (name, score) in enumerate(ranked, start=1)
    ]
    yield from text_table(rows, right=(0, 1), indent=2, width=width)


def _with_repeats(name: str, titles: Mapping[str, str], times: Mapping[str, int]) -> str:
    """The title, and how often the history has the candidate if it does more than once."""
    repeats = f"× {times[name]}" if times[name] > 1 else ""
    return f"{shown(titles.get(name, ''))} {repeats}".strip()


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    features: dict[str, Any] = _json("--features", arguments.features, dict)
    if arguments.history is None:
        return features
    return {**features, "history": _json("--history", arguments.history, list)}


def _json(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # fails for half a surrogate pair
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{option} is not JSON: {error}") from None
    if not isinstance(value, kind):
        raise ConfigError(f"{option} must be a JSON {'object' if kind is dict else 'list'}, got {quoted(value)}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number; null stands for a missing one")


def _text(argument: str) -> str:
    """An argument that is valid UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is not valid UTF-8") from None
    return argument
