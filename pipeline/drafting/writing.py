"""Writes a draft as text: settings, with comments that explain each guess."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from dataplane.sources.config import ROLES
from pipeline.drafting.entities import Entities, Side
from pipeline.drafting.facts import Facts
from pipeline.drafting.faults import fault_remarks
from pipeline.drafting.guesses import Named, guess_feature, guess_features, why_left_out
from pipeline.drafting.kinds import weights_of
from pipeline.drafting.links import Link
from pipeline.drafting.long_form import LongForm
from pipeline.drafting.names import concepts, is_key, title_rank
from pipeline.drafting.paths import path_of
from pipeline.drafting.profile import Column, short
from pipeline.drafting.roles import Roles
from pipeline.drafting.tables import Table, read_column
from pipeline.drafting.yaml_text import comment, to_yaml

_MOST_COME_BACK = 0.5
_SOME_COME_BACK = 0.1
_LEAST_EVENTS = 3
_NO_TITLE = 2
_MOST_REMARKS = 20
_SIDES: Mapping[Side, str] = {"queries": "query", "candidates": "candidate"}


@dataclass(frozen=True)
class Draft:
    """The content of a drafted configuration.

    Attributes:
        name: name of the pipeline.
        base: directory that relative paths start from.
        given: paths as the user gave them.
        interactions: the table of interactions.
        roles: roles of its columns.
        entities: the tables that describe queries and candidates.
        facts: facts about the rows that need a setting.
        problems: descriptions of files that could not be read as tables.
    """

    name: str
    base: Path
    given: Sequence[str]
    interactions: Table
    roles: Roles
    entities: Entities
    facts: Facts
    problems: Sequence[str]

    def text(self, *, written_to: Path | None = None) -> str:
        """The configuration as YAML.

        Args:
            written_to: path of the file that will hold it. The base directory is then relative to it, else absolute.
        """
        if written_to is None:
            return "\n".join(self._lines(str(self.base), "relative paths below start here")) + "\n"
        # The system follows links when it resolves `..`, so the path is computed from the real directory.
        relative = os.path.relpath(self.base, os.path.realpath(written_to.absolute().parent))
        return "\n".join(self._lines(relative, "from this file; relative paths below start here")) + "\n"

    def _lines(self, base_dir: str, base_note: str) -> Iterator[str]:
        yield "# Drafted from a sample of the files. Read and correct it, then run it with `python -m pipeline run`."
        yield "schema_version: 1"
        yield f"name: {re.sub(r'[^a-z0-9]+', '_', self.name.lower()).strip('_')[:58] or 'my_pipeline'}"
        yield from _display(self.entities.found.get("candidates"))
        yield from _repetition(self.facts.repeated)
        yield ""
        yield "data:"
        yield f"  base_dir: {to_yaml(base_dir)}  # {base_note}"
        yield from _bad_rows(self.facts)
        yield from self._interactions()
        for side in _SIDES:
            yield from self._entities(side)
        yield from _remarks([*self.entities.remarks, *(f"not a table: {problem}" for problem in self.problems)])
        for form in self.entities.long_forms:
            yield from self._long_form(form)
        yield from _nan_values(self.facts)
        yield ""
        yield from _split(self.roles, self.facts, self.interactions)
        yield from self._features()
        yield from _event_weights(self.roles.kind, self.interactions)
        yield from _GATES

    def _interactions(self) -> Iterator[str]:
        yield "  interactions:"
        yield from self._source(self.interactions)
        yield from (f"    # {comment(remark)}" for remark in self.roles.remarks)
        yield f"    columns: {to_yaml(self.roles.mapped())}"
        yield from _whole_number_ids(self.roles.query, self.roles.candidate)
        if self.roles.time is not None:
            unit = self.roles.time.moments.unit
            yield f"    # time_unit: {unit}  # detected from the values, as a run does without this key"
        if self.roles.weight is not None:
            yield from _weight_lines(self.roles.weight)

    def _entities(self, side: Side) -> Iterator[str]:
        link = self.entities.found.get(side)
        if link is None:
            yield f"  # {side}: no file describes them"
            return
        yield f"  {side}:"
        yield from self._source(link.table)
        yield f"    # {comment(_coverage_of(link))}"
        yield f"    id: {to_yaml(link.key.name)}"
        yield from _whole_number_ids(link.key)
        separators = {f.column: f.guess.separator for f in _features_of(link, side) if f.guess.separator is not None}
        if separators:
            yield f"    list_columns: {to_yaml(separators)}"

    def _long_form(self, form: LongForm) -> Iterator[str]:
        yield f"  # {comment(form.table.name)}: has one property per row. To use it, uncomment this and add features of"
        yield f"  # the {form.side} named after the properties. `before` must lie before the held-out events."
        yield f"  # {form.side}:"
        yield from (f"  # {line[2:]}" for line in self._source(form.table))
        yield f"  #   id: {to_yaml(form.id)}"
        yield f"  #   pivot: {to_yaml(dict(form.pivot))}"

    def _source(self, table: Table) -> Iterator[str]:
        is_interactions = table is self.interactions
        path = path_of(table, self.given, self.base, by_split=is_interactions and self.roles.split is None)
        yield f"    format: {table.settings['format']}"
        yield f"    path: {to_yaml(path)}"
        for key, value in table.settings.items():
            if key != "format":
                note = _NOTES.get(key, "")
                if key == "date_formats" and table.notation.undecided & set(value):
                    note = "  # check: day and month could be swapped"
                if key == "encoding" and value != "utf-16":
                    note = "  # check: guessed, because the texts are not UTF-8"
                yield f"    {key}: {to_yaml(value)}{note}"
        yield from (f"    # {comment(remark)}" for remark in fault_remarks(table))

    def _features(self) -> Iterator[str]:
        yield "features:"
        yield "  # Ids need no entry: candidates have an id feature, and queries are known by their history."
        for side, name in _SIDES.items():
            link = self.entities.found.get(side)
            lines = [] if link is None else list(_feature_lines(_features_of(link, side)))
            if any(not line.lstrip().startswith("#") for line in lines):
                yield f"  {name}:"
            yield from lines
        yield from self._context()
        yield "  history: {max_length: 50}"

    def _context(self) -> Iterator[str]:
        roles = self.roles
        used = {*roles.mapped().values(), *ROLES, *([roles.kind.name] if roles.kind else [])}
        lines = list(_feature_lines(guess_features(self.interactions.columns, used)))
        if roles.time is not None:
            lines.append("    timestamp: {type: timestamp, parts: [hour, weekday]}")
        if lines:
            yield "  # Uncomment features that are known at request time; never use what is known only afterwards."
            yield "  # context:"
            yield from (f"  # {line[2:]}" for line in lines)


_GATES = (
    "",
    "# evaluation:  # gates that a model must pass to be published; auto is the default, null turns a gate off",
    "#   min_lift_over_popularity: auto  # better than recommending popular candidates; or a ratio: {ndcg@10: 1.1}",
    "#   min_lift_over_published: auto  # not clearly worse than the served model; or a ratio: {ndcg@10: 0.95}",
    "#   thresholds: {}  # minimum values, such as {recall@10: 0.05}",
)
_NOTES = {
    "names": "  # the files have no header; name the columns here",
    "null_values": "  # these texts stand for missing values",
}


def _features_of(link: Link, side: Side) -> list[Named]:
    return list(guess_features(link.table.columns, {link.key.name, f"{_SIDES[side]}_id"}))


def _feature_lines(features: Iterable[Named]) -> Iterator[str]:
    for named in features:
        if named.feature:
            yield f"    {named.feature}: {to_yaml(dict(named.settings))}  # {comment(named.guess.why)}"
        else:
            yield f"    # {comment(why_left_out(named))}"


def _coverage_of(link: Link) -> str:
    found = f"{link.found:.0%} of the sampled ids of the interactions are {link.key.name} of this table"
    return f"{found}; {link.covered:.0%} of its ids occur in the sample"


def _remarks(remarks: Sequence[str]) -> Iterator[str]:
    yield from (f"  # {comment(remark)}" for remark in remarks[:_MOST_REMARKS])
    if len(remarks) > _MOST_REMARKS:
        yield f"  # … and {len(remarks) - _MOST_REMARKS} more files that are not used"


def _display(link: Link | None) -> Iterator[str]:
    """The text column whose name most clearly means a title, or else the first one of words whose name says nothing."""
    columns = [] if link is None else [it for it in link.table.columns.values() if it is not link.key]
    titles = [it for it in columns if it.is_text and title_rank(it.name) < _NO_TITLE and not is_key(it.name)]
    if titles:
        best = min(titles, key=lambda it: (title_rank(it.name), -it.distinct))
        yield f"display: {to_yaml(best.name)}  # shown beside candidate ids"
        return
    unnamed = [it for it in columns if link is not None and not (link.table.has_header and concepts(it.name))]
    alike = next((it for it in unnamed if it.is_text and guess_feature(it).settings.get("type") == "text"), None)
    if alike is not None:
        yield f"display: {to_yaml(alike.name)}  # check: its texts look like titles; shown beside candidate ids"


def _repetition(repeated: float) -> Iterator[str]:
    share = f"{repeated:.0%} of the sampled events repeat a candidate that the query chose before"
    if repeated >= _MOST_COME_BACK:
        yield f"remove_seen: false  # {share}, so seen candidates may be recommended again"
    elif repeated >= _SOME_COME_BACK:
        yield f"# remove_seen: false  # {share}; this setting allows recommending them again"


def _bad_rows(facts: Facts) -> Iterator[str]:
    if facts.max_bad_fraction is not None:
        why = ", ".join(facts.bad_because) or "broken rows or repeated ids"
        message = f"{facts.bad:.1%} of the sampled rows of a table cannot be used ({why}) and are left out"
        yield f"  # {comment(message)}"
        yield f"  max_bad_fraction: {facts.max_bad_fraction:g}"


def _nan_values(facts: Facts) -> Iterator[str]:
    if facts.max_nan_fraction is not None:
        yield ""
        yield f"# {facts.nan:.1%} of the numbers of a column are NaN or infinite."
        yield f"validation: {{max_nan_fraction: {facts.max_nan_fraction:g}}}"


def _split(roles: Roles, facts: Facts, table: Table) -> Iterator[str]:
    given = roles.split is not None or bool(table.splits)
    ordered = roles.time is not None or roles.order is not None
    if ordered and not given and facts.most_events is not None and facts.most_events < _LEAST_EVENTS:
        yield f"# No query has {_LEAST_EVENTS} events, so the last two of each cannot be held out."
        yield "split: {method: ratio}"
        yield ""


def _whole_number_ids(*columns: Column) -> Iterator[str]:
    written = [column for column in columns if column.has_whole_floats]
    if written:
        yield f"    whole_number_ids: true  # {comment(written[0].examples())} are ids without the decimal point"


def _weight_lines(column: Column) -> Iterator[str]:
    values = sorted(set(column.numbers().to_pylist()))
    if values == [0.0, 1.0]:
        yield "    min_weight: 1  # drops events of weight 0, which would count as choices"
        return
    name = comment(short(column.name)[1:-1])
    yield f"    # Every event counts as a choice, a low {name} too; {name} is its weight in training. min_weight keeps"
    yield "    # only the events with at least this weight."
    yield f"    # min_weight: {values[len(values) * 3 // 5]:g}"


def _event_weights(column: Column | None, table: Table) -> Iterator[str]:
    if column is None or column.name in ROLES:
        return
    values = read_column(table, column.name)
    kinds = sorted(pc.unique(values.drop_null()).to_pylist())
    yield ""
    if values.null_count or len(kinds) > 2 * len(set(column.texts().to_pylist())) + 10:
        yield f"# {comment(f'{column.name} is the kind of event, but some events have none: no event_weights')}"
        return
    yield "training:"
    yield f"  # check: {comment(column.name)} is the kind of event; the weights are guesses, and 0 means no training"
    yield f"  event_weights: {to_yaml({'column': column.name, 'weights': weights_of(kinds)})}"
