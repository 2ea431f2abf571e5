"""The meaning of column and file names, in several languages and spellings."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal, TypeAlias

Concept: TypeAlias = Literal[
    "query", "basket", "candidate", "group", "key", "time", "other_time", "weight", "order", "kind", "attribute", "log",
]  # fmt: skip
"""The concepts that a word can stand for.

query: who chooses. basket: an occasion of choosing, used as query if nothing better is known.
candidate: what is chosen. group: something coarser that is chosen, such as an artist or a brand.
key: the value identifies something.
time: when it happened. other_time: when something else happened, such as a birth or a delivery.
weight: how much it was liked. order: position among the query's events. kind: kind of event.
attribute: the value describes something and does not identify it. log: a file of events.
"""

_WORDS: Mapping[Concept, str] = {
    "query": """user usr uid who customer cust client visitor member account person people reader viewer listener
        buyer shopper guest subscriber player patient student learner reviewer rater consumer query
        household username login nickname kunde kunden nutzer benutzer anwender besucher mitglied kaufer
        kaeufer konto leser horer hoerer utilisateur visiteur membre acheteur abonne lecteur compte
        adherent internaute usuario cliente visitante miembro comprador lector cuenta utilizador membro
        leitor utente acquirente lettore klant gebruiker bezoeker uzytkownik klient kullanici""",
    "basket": """session sess basket cart order invoice transaction receipt purchase trip visit sitzung warenkorb
        bestellung rechnung bon beleg panier commande facture sesion pedido factura carrito sessao
        sessione ordine fattura bestelling""",
    "candidate": """item iid pid what candidate product prod movie film article art song track book asin isbn ean gtin
        upc sku doc document video business news listing recipe game stock show series episode podcast
        course hotel restaurant venue poi offer ad app content post paper job page music anime merchandise
        good artikel produkt ware buch lied spiel kurs rezept stueck produit livre oeuvre jeu chanson
        recette annonce producto articulo libro pelicula cancion juego prodotto articolo canzone gioco
        produto artigo livro filme musica jogo boek liedje ksiazka urun""",
    "group": "artist author brand album place location publisher creator seller shop store",
    "key": """id ids key code nr no num number nummer uuid guid hash pk fk sk idx mbid sku asin isbn ean gtin
        upc uid iid pid numero clave codigo cle kod kennung schluessel schlussel identifier ident""",
    "time": """time timestamp date datetime ts dat at when created moment occurred stamp unix epoch day datum
        zeit zeitpunkt zeitstempel uhrzeit heure temps horodatage jour fecha hora tiempo data ora tijd
        tijdstip czas tarih""",
    "other_time": """updated modified birth birthday birthdate dob geburt geburtsdatum naissance nacimiento signup
        registered registration joined delivered delivery shipped shipping expiry expires expired end
        ended release released until deleted lieferung lieferdatum livraison inscription registro scraped
        crawled loaded ingested""",
    "weight": """rating rate stars star score overall weight reward liked like clicked click purchased bought
        watched plays playcount listens preference label target feedback bewertung sterne punkte wertung
        note etoiles puntuacion puntaje valoracion calificacion estrellas voto vote votazione valutazione
        avaliacao nota waardering beoordeling ocena puan""",
    "order": """position order rank step index seq sequence ordinal reihenfolge folge ordre rang orden posicion
        posizione""",
    "kind": """event behavior behaviour action activity interaction operation ereignis aktion verhalten evenement
        evento accion azione acao""",
    "attribute": """name names nombre nom nome title titel titre titulo titolo age alter edad eta price prix preis
        precio prezzo preco amount betrag montant importe cost revenue umsatz total sum tax quantity qty
        menge anzahl quantite cantidad quantidade quantita count channel kanal canal category categories
        kategorie categorie categoria genre genres type group gruppe groupe grupo country land pays pais
        paese city stadt ville ciudad citta cidade region state zip zipcode postcode postal plz gender sex
        geschlecht sexe sexo device platform browser os year jahr annee ano anno month monat mois mes
        weekday wochentag hour stunde size groesse grosse color colour farbe couleur discount rabatt
        remise currency wahrung waehrung status level description beschreibung desc text review comment
        kommentar commentaire summary tag tags keyword language sprache langue idioma email mail phone
        address adresse url link image bild lat lon lng latitude longitude helpful verified department
        aisle section marke marque duration dauer duree hours minutes seconds length width height rooms
        occupation education income version plot subtitle abstract value property percent share ratio
        margin reordered unit units piece pieces pcs unidad unidades unites einheiten stuckzahl stueckzahl
        aantal antal ilosc volume spent spend""",
    "log": """rating ratings event events interaction interactions transaction transactions order orders click
        clicks view views purchase purchases log logs play plays history behavior behaviors behaviour
        review reviews bewertungen kaeufe kaufe bestellungen transaktionen ereignisse achats commandes
        evenements avis compras ventas pedidos eventos train training listening sessions""",
}  # fmt: skip
_ENDINGS = ("", "s", "n", "e", "en", "es", "x")
_SHORTEST_PREFIX = 4
_NAMES = {"name", "title", "titel", "titre", "titulo", "titolo", "nombre", "nom", "nome"}
_TITLES = {"title", "titel", "titre", "titulo", "titolo"}
_KEY_OF_TITLES = 0.8
_OF_NAMES = 0.3
"""Factor for names such as a customer's name, which identify less clearly than a customer number."""


def without_accents(text: str) -> str:
    """The text without accents; ß becomes ss."""
    apart = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name without accents: `CustomerID`, `customer-id` and `customerid` have the same words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", without_accents(name))
    return tuple(part for token in re.findall(r"[^\W\d_]+", apart.lower()) for part in _segmented(token))


def concepts(name: str) -> frozenset[Concept]:
    """All concepts that the words of a name can stand for."""
    return frozenset(concept for word in words(name) for concept in _lexicon().get(word, ()))


def says_who(name: str) -> float:
    """How clearly a name says that its values identify queries, from 0 to 1."""
    return _identifies(name, {"query": 1.0, "basket": 0.5})


def says_what(name: str) -> float:
    """How clearly a name says that its values identify candidates, from 0 to 1."""
    found = _identifies(name, {"candidate": 1.0, "group": 0.6})
    return _KEY_OF_TITLES if not found and is_key(name) and set(words(name)) & _TITLES else found


def is_key(name: str) -> bool:
    """Whether a name says that its values identify something."""
    return "key" in concepts(name)


def describes(name: str) -> bool:
    """Whether a name says that its values describe something."""
    return "attribute" in concepts(name)


def names_something(name: str) -> bool:
    """Whether a name means a name or a title, of queries or of candidates."""
    return bool(set(words(name)) & _NAMES)


def title_rank(name: str) -> int:
    """How clearly a name means the title of a candidate: 0 for a title, 1 for a name, 2 for neither."""
    found = set(words(name))
    return 0 if found & _TITLES else 1 if found & _NAMES else 2


def same_name(one: str, other: str) -> bool:
    """Whether two names have the same words."""
    return words(one) == words(other) != ()


def _identifies(name: str, worth: Mapping[Concept, float]) -> float:
    found = concepts(name)
    best = max((value for concept, value in worth.items() if concept in found), default=0.0)
    if "attribute" in found:
        return best * _OF_NAMES if names_something(name) else 0.0
    if found & {"time", "weight", "kind"} and "key" not in found:
        return 0.0
    return best if best == 0 or "key" in found or len(words(name)) == 1 else best - 0.2


def _segmented(token: str) -> Iterable[str]:
    """Splits compounds: `kundennummer` becomes `kunden` and `nummer`; unknown words stay whole."""
    if token in _lexicon():
        return [token]
    for end in range(len(token), _SHORTEST_PREFIX - 1, -1):
        rest = _known_rest(token[end:]) if _stem(token[:end]) else None
        if rest is not None:
            return [_stem(token[:end]), *rest]
    return [token]


def _known_rest(rest: str) -> list[str] | None:
    if rest == "":
        return []
    return [_stem(rest)] if _stem(rest) else None


def _stem(word: str) -> str:
    """The lexicon word of which this is a form; empty if there is none."""
    forms = (word[: len(word) - len(ending)] for ending in _ENDINGS if word.endswith(ending))
    return next((form for form in forms if form in _lexicon()), "")


@cache
def _lexicon() -> Mapping[str, frozenset[Concept]]:
    found: dict[str, set[Concept]] = {}
    for concept, listed in _WORDS.items():
        for word in listed.split():
            found.setdefault(word, set()).add(concept)
    return {word: frozenset(meanings) for word, meanings in found.items()}
