"""Kinds of events and the weight that each could have."""

from collections.abc import Mapping, Sequence

from pipeline.drafting.names import concepts, words
from pipeline.drafting.profile import Column

_MOST_KINDS = 12
_WEIGHTS: Mapping[float, str] = {
    1.0: """view views viewed pageview page pv impression see seen open opened visit detail click clicked clicks
        click_out ansicht angesehen klick geklickt aufruf vue vu clic consultation vista visto vistazo
        visualizacao weergave play played listen listened watch watched start started preview scroll hover
        search""",
    2.0: """fav favorite favourite favorited like liked love wishlist wish bookmark save saved share shared follow
        rate rated comment merkzettel favorit gefallt partage aime favori gusta guardar""",
    3.0: """cart basket add added addtocart warenkorb panier ajout carrito carro anadir checkout reserve complete
        completed finish finished download downloaded install""",
    5.0: """buy bought purchase purchased transaction order ordered book booked booking sale sold pay paid
        conversion subscribe subscribed kauf gekauft bestellung achat achete commande compra comprado pedido
        acquisto aankoop""",
}
_AGAINST = {"remove", "removed", "delete", "dislike", "disliked", "refund", "refunded", "return", "returned", "cancel",
            "cancelled", "canceled", "cancellation", "skip", "skipped", "unlike", "retour", "retoure", "storno",
            "stornierung", "storniert", "ruckgabe", "ruckgegeben", "retourne", "annule", "annulation", "devolucion",
            "devuelto", "cancelado", "hide", "hidden", "returns", "refunds"}  # fmt: skip


def is_kind_of_event(column: Column) -> bool:
    """Whether a column says what somebody did, by its name or because most of its few values are known actions."""
    if column.kind not in ("string", "int64") or not 2 <= column.distinct <= _MOST_KINDS:
        return False
    named = concepts(column.name)
    if "kind" in named and not named & {"time", "key", "query", "candidate"}:
        return True
    values = set(column.texts().to_pylist())
    return column.kind == "string" and sum(bool(_known(value)) for value in values) > len(values) / 2


def weights_of(kinds: Sequence[str]) -> dict[str, float]:
    """Proposes a weight for each kind of event: purchases weigh more than views, and reversals weigh 0."""
    weights = {kind: 0.0 if _AGAINST & set(words(kind)) else _known(kind) or 1.0 for kind in kinds}
    return weights if any(weights.values()) else dict.fromkeys(kinds, 1.0)


def _known(kind: str) -> float:
    said = set(words(kind)) | {kind.lower()}
    if _AGAINST & said:
        return 0.5
    return max((weight for weight, listed in _WEIGHTS.items() if said & set(listed.split())), default=0.0)
