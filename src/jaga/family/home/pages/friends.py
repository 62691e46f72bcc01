"""Friends: whom a child writes with, strangers first; and who follows or wants to."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from sqlalchemy import orm

from jaga.assessment import LEVELS, PUBLIC, Assessment, Level
from jaga.family.home._charts import hours_chart, hours_strip, hours_words, timeline
from jaga.family.home._present import (
    ago,
    app_name,
    children_of,
    day_words,
    listed,
    own_row,
    shown_name,
    zone_of_family,
)
from jaga.family.home._web import Visitor, a_parent, back, grown_up, house_of, language_of, own_child, page
from jaga.family.sentences import group_words, level_words, risk_words, tactic_words, when
from jaga.store import audit, load_assessment, protect_contact
from jaga.store._ages import band_of, shows_level
from jaga.store._tables import Account, Alert, Child, Conversation, Relationship, Trusted
from jaga.words import Words, words

router = APIRouter()

Show = Literal["all", "strangers", "known", "requests"]
Order = Literal["strangers", "level", "newest", "oldest", "busiest", "name"]
_PAGE = 20
# The first figures of groups are of these: more is a list, not a help.
_GROUPS = 5
_LEVEL = sa.case({"urgent": 3, "concern": 2, "watch": 1}, value=Relationship.level, else_=0)
_Other = orm.aliased(Relationship)
_IN_LISTS = ("follower", "following", "request_received", "request_sent", "blocked")


class _Facts(msgspec.Struct, frozen=True):
    """What the store counts as messages come in; all of it may be missing in an older row."""

    hours: list[int] = []
    child_hours: list[int] = []
    platforms: list[str] = []
    days: int = 0
    starts: dict[str, int] = {}
    groups: list[str] = []


def facts_of(row: Relationship) -> _Facts:
    return msgspec.convert(row.facts, type=_Facts)


@router.get("/friends")
def friends(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    child: Annotated[str, Query(pattern="^[0-9]{0,18}$")] = "",
    show: Annotated[Show, Query()] = "all",
    order: Annotated[Order, Query()] = "strangers",
    app: Annotated[str, Query(max_length=40)] = "",
    find: Annotated[str, Query(max_length=80)] = "",
    at: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        children = children_of(session, who)
        # A form that leaves the choice open sends it empty.
        of = [own_child(session, who, int(child)).id] if child else [one.id for one in children]
        names = {one.id: shown_name(one.name) for one in children}
        asked = {"child": of[0] if child else "", "show": show, "order": order, "app": app, "find": find}
        cards: list[dict[str, Any]] = []
        people: list[dict[str, Any]] = []
        if show == "requests":
            count, people = _lists(session, of, names, say, who, app, find, at)
        else:
            today = house.now().astimezone(zone_of_family(who.family)).date()
            count, cards = _cards(session, of, names, say, who, show, order, app, find, at, today)
        last = max(1, -(-count // _PAGE))

        def link(number: int) -> str:
            return "/friends?" + urlencode({**{key: value for key, value in asked.items() if value}, "at": number})

        return page(
            request,
            "friends.html",
            children=[{"id": one.id, "name": names[one.id]} for one in children],
            apps=[
                {"id": platform, "name": app_name(platform)}
                for platform in session.scalars(
                    sa.select(Conversation.platform)
                    .where(Conversation.child.in_(names))
                    .distinct()
                    .order_by(Conversation.platform)
                )
            ],
            asked=asked,
            count=count,
            cards=cards,
            people=people,
            pages={
                "now": at,
                "last": last,
                "before": link(at - 1) if at > 1 else None,
                "after": link(at + 1) if at < last else None,
            },
        )


def _known(of: list[int]) -> sa.Select[Any]:
    """Ids of those whom the family knows."""
    return (
        sa.select(_Other.id)
        .join(Trusted, sa.and_(Trusted.child == _Other.child, Trusted.contact == _Other.contact))
        .where(Trusted.child.in_(of))
    )


def _chosen(of: list[int], show: Show, app: str, find: str) -> sa.Select[Any]:
    """Ids of the relationships that are asked for. Own posts are no friend."""
    # Rows are large: only columns of the index `relationships_listed` are asked for, and others by the ids of the few they hold for.
    own_posts = sa.select(_Other.id).where(_Other.child.in_(of), _Other.contact == PUBLIC)
    query = sa.select(Relationship.id).where(Relationship.child.in_(of), Relationship.id.not_in(own_posts))
    if show == "strangers":
        query = query.where(Relationship.id.not_in(_known(of)))
    elif show == "known":
        query = query.where(Relationship.id.in_(_known(of)))
    if app:
        query = query.where(
            sa.exists().where(
                Account.child == Relationship.child, Account.author == Relationship.contact, Account.platform == app
            )
        )
    if find:
        query = query.where(
            sa.or_(
                Relationship.name.icontains(find, autoescape=True),
                Relationship.contact.icontains(find, autoescape=True),
            )
        )
    return query


def _cards(
    session: orm.Session,
    of: list[int],
    names: dict[int, str],
    say: Words,
    who: Visitor,
    show: Show,
    order: Order,
    app: str,
    find: str,
    at: int,
    today: date,
) -> tuple[int, list[dict[str, Any]]]:
    chosen = _chosen(of, show, app, find)
    count = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    newest = Relationship.last_at.desc()
    known = sa.case((Relationship.id.in_(_known(of)), 1), else_=0)
    ordered = {
        # Whoever is worth a look stands before everybody, known or not.
        "strangers": (sa.case((_LEVEL >= 2, 0), else_=1), known, _LEVEL.desc(), newest),
        "level": (_LEVEL.desc(), Relationship.score.desc(), newest),
        "newest": (Relationship.first_at.desc(),),
        "oldest": (Relationship.first_at.asc(),),
        "busiest": (Relationship.messages.desc(),),
        "name": (sa.func.lower(sa.func.coalesce(Relationship.name, Relationship.contact)),),
    }[order]
    ids = list(session.scalars(chosen.order_by(*ordered, Relationship.id).offset((at - 1) * _PAGE).limit(_PAGE)))
    rows = {row.id: row for row in session.scalars(sa.select(Relationship).where(Relationship.id.in_(ids)))}
    beside = _beside(session, list(rows.values()), list(names))
    return count, [_card(rows[one], names, say, who, beside, today) for one in ids]


class _Beside(msgspec.Struct, kw_only=True):
    """What stands in other tables about the relationships of a page, each asked for once."""

    children: dict[int, Child]
    trusted: dict[tuple[int, str], Trusted]
    accounts: dict[tuple[int, str], list[Account]]
    others: dict[str, list[int]]
    titles: dict[tuple[int, str], str]
    alerts: dict[int, int]


def _beside(session: orm.Session, rows: list[Relationship], family: list[int]) -> _Beside:
    contacts = {row.contact for row in rows}
    children = {row.child for row in rows}
    accounts: dict[tuple[int, str], list[Account]] = {}
    for account in session.scalars(sa.select(Account).where(Account.child.in_(children), Account.author.in_(contacts))):
        accounts.setdefault((account.child, account.author), []).append(account)
    others: dict[str, list[int]] = {}
    for contact, child in session.execute(
        sa.select(Relationship.contact, Relationship.child).where(
            Relationship.child.in_(family), Relationship.contact.in_(contacts)
        )
    ):
        others.setdefault(contact, []).append(child)
    digests = {digest for row in rows for digest in facts_of(row).groups[:_GROUPS]}
    alerts: dict[int, int] = {}
    for relationship, alert in session.execute(
        sa.select(Alert.relationship, sa.func.max(Alert.id))
        .where(Alert.relationship.in_([row.id for row in rows]))
        .group_by(Alert.relationship)
    ):
        alerts[relationship] = alert
    return _Beside(
        children={one.id: one for one in session.scalars(sa.select(Child).where(Child.id.in_(children)))},
        trusted={
            (one.child, one.contact): one
            for one in session.scalars(
                sa.select(Trusted).where(Trusted.child.in_(children), Trusted.contact.in_(contacts))
            )
        },
        accounts=accounts,
        others=others,
        titles={
            (one.child, one.digest): shown_name(one.title)
            for one in session.scalars(
                sa.select(Conversation).where(Conversation.child.in_(children), Conversation.digest.in_(digests))
            )
            if one.title
        },
        alerts=alerts,
    )


def _card(
    row: Relationship, names: dict[int, str], say: Words, who: Visitor, beside: _Beside, today: date
) -> dict[str, Any]:
    facts = facts_of(row)
    assessment = load_assessment(row.assessment)
    zone = zone_of_family(who.family)
    trusted = beside.trusted.get((row.child, row.contact))
    accounts = beside.accounts.get((row.child, row.contact), [])
    apps = facts.platforms or list(assessment.platforms) or [one.platform for one in accounts]
    others = [names[one] for one in beside.others.get(row.contact, ()) if one != row.child]
    groups = [beside.titles[row.child, one] for one in facts.groups[:_GROUPS] if (row.child, one) in beside.titles]
    child = beside.children[row.child]
    serious = shows_level(child, load_level(row.level), today)
    details = _tells(child, row, today)
    return {
        "id": row.id,
        "name": shown_name(row.name, row.contact),
        "child": names[row.child],
        "level": row.level if serious else "none",
        "level_words": level_words(say, row.level) if serious else "",
        "risk": risk_words(say, assessment.risk_type) if serious else "",
        "alert": beside.alerts.get(row.id),
        "kind": kind_words(say, trusted, accounts),
        "stranger": trusted is None,
        "apps": listed(say, (app_name(one) for one in apps)),
        "since": day_words(say, row.first_at, zone) if row.first_at else "",
        "often": often_words(say, row, facts),
        "starts": starts_words(say, facts, names[row.child]),
        "strip": hours_strip(facts.hours),
        "hours": hours_words(say, facts.hours),
        "age": claims_words(say, assessment) if details else "",
        "asked": counts(say, assessment, _ASKED) if details else [],
        "gifts": counts(say, assessment, ("inducement",)) if details else [],
        "groups": listed(say, groups) if groups else "",
        "more_groups": max(0, len(facts.groups) - len(groups)) if groups else 0,
        "group_count": len(facts.groups),
        "others": listed(say, others),
        "other_count": len(others),
    }


def load_level(level: str) -> Level:
    """As it stands in the store, which is older than any list of levels may become."""
    return level if level in LEVELS else "none"


def _tells(child: Child, row: Relationship, today: date) -> bool:
    """Whether what was heard is told at all: of an older child only once it is grave (jaga.store._ages)."""
    return band_of(child, today).told_from == "watch" or shows_level(child, load_level(row.level), today)


# What a contact may have asked for or pushed to, as it is told on a card.
_ASKED = (
    "image_request",
    "meeting",
    "moving_platform",
    "age_probing",
    "secrecy",
    "risk_assessment",
    "recruiting",
    "threat",
)


def counts(say: Words, assessment: Assessment, tactics: tuple[str, ...]) -> list[str]:
    """Which tactics were heard of the contact and how often: never the words themselves."""
    return [
        say("{tactic} ({count}×)", tactic=tactic_words(say, finding.tactic), count=finding.count)
        for finding in sorted(assessment.tactics, key=lambda one: -one.count)
        if finding.tactic in tactics and finding.by == "contact"
    ]


def claims_words(say: Words, assessment: Assessment) -> str:
    """What the contact says of their own age or person, if anything was heard; empty otherwise."""
    groups = {
        piece.group: None
        for finding in assessment.tactics
        if finding.tactic == "false_identity" and finding.by == "contact"
        for piece in finding.evidence
        if piece.group in ("same_age", "scout", "celebrity_or_staff")
    }
    return listed(say, (group_words(say, "false_identity", group) for group in groups))


def kind_words(say: Words, trusted: Trusted | None, accounts: list[Account]) -> str:
    """Stranger or not, as far as the family or the app says."""
    if trusted is not None:
        if trusted.kind == "protected":
            return say("Protected: never read")
        return say("Known: {who}", who=shown_name(trusted.who)) if trusted.who else say("Known to the family")
    relations = {one.relation for one in accounts}
    for relation in ("blocked", "request_received", "contact", "following", "follower", "request_sent"):
        if relation in relations:
            return {
                "blocked": say("Blocked by the child"),
                "request_received": say("Stranger who asked to write"),
                "contact": say("In the child's contacts, not known to you"),
                "following": say("The child follows them"),
                "follower": say("Follows the child"),
                "request_sent": say("The child asked to be friends"),
            }[relation]
    return say("Stranger")


def often_words(say: Words, row: Relationship, facts: _Facts) -> str:
    messages = say.plural("{count} message", "{count} messages", row.messages)
    if not facts.days:
        return messages
    return say.plural("{messages} on {count} day", "{messages} on {count} days", facts.days, messages=messages)


def starts_words(say: Words, facts: _Facts, child: str) -> str:
    """Who writes first after some hours of silence; empty where that was too seldom to say."""
    contact, own = facts.starts.get("contact", 0), facts.starts.get("child", 0)
    if contact + own < 3:
        return ""
    if contact >= 2 * own:
        return say("Mostly they write first.")
    if own >= 2 * contact:
        return say("Mostly {child} writes first.", child=child)
    return say("Both write first.")


def _lists(
    session: orm.Session, of: list[int], names: dict[int, str], say: Words, who: Visitor, app: str, find: str, at: int
) -> tuple[int, list[dict[str, Any]]]:
    """Followers, requests and blocked ones from the apps' own lists, those that want something of the child first."""
    query = sa.select(Account).where(Account.child.in_(of), Account.relation.in_(_IN_LISTS))
    if app:
        query = query.where(Account.platform == app)
    if find:
        query = query.where(
            sa.or_(Account.name.icontains(find, autoescape=True), Account.author.icontains(find, autoescape=True))
        )
    count = session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    first = sa.case(
        {"request_received": 0, "follower": 1, "request_sent": 2, "following": 3}, value=Account.relation, else_=4
    )
    rows = session.execute(
        query.add_columns(Relationship.id)
        .outerjoin(Relationship, sa.and_(Relationship.child == Account.child, Relationship.contact == Account.author))
        .order_by(first, Account.since.desc().nulls_last(), Account.id)
        .offset((at - 1) * _PAGE)
        .limit(_PAGE)
    ).all()
    zone = zone_of_family(who.family)
    return count, [
        {
            "name": shown_name(account.name, account.author),
            "child": names[account.child],
            "app": app_name(account.platform),
            "kind": kind_words(say, None, [account]),
            "since": day_words(say, account.since, zone) if account.since else "",
            "friend": relationship,
        }
        for account, relationship in rows
    ]


@router.get("/friends/{friend_id}")
def friend(request: Request, friend_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    today = now.astimezone(zone).date()
    with house.store.session(read_only=True) as session:
        row, child = own_row(session, who, Relationship, friend_id)
        names = {one.id: shown_name(one.name) for one in children_of(session, who)}
        beside = _beside(session, [row], list(names))
        assessment = load_assessment(row.assessment)
        facts = facts_of(row)
        trusted = beside.trusted.get((row.child, row.contact))
        alerts = session.scalars(
            sa.select(Alert).where(Alert.relationship == row.id).order_by(Alert.id.desc()).limit(50)
        ).all()
        return page(
            request,
            "friend.html",
            one=_card(row, names, say, who, beside, today),
            own_posts=row.contact == PUBLIC,
            account=shown_name(row.contact),
            # Names that came in later, or on another app: a change of name is worth knowing.
            also=listed(
                say,
                dict.fromkeys(
                    shown_name(account.name)
                    for account in beside.accounts.get((row.child, row.contact), ())
                    if account.name and account.name != row.name
                ),
            ),
            last=ago(say, row.last_at, now) if row.last_at else "",
            chart=timeline(say, assessment.days),
            hours=hours_chart(say, facts.hours, say("When they write")),
            child_hours=hours_chart(say, facts.child_hours, say("When {child} writes", child=names[row.child])),
            heard=[
                {
                    "tactic": tactic_words(say, finding.tactic),
                    "by_child": finding.by == "child",
                    "count": finding.count,
                    "since": day_words(say, finding.first_at, zone),
                }
                for finding in assessment.tactics
                if _tells(child, row, today)
            ],
            kept_back=bool(assessment.tactics) and not _tells(child, row, today),
            alerts=[
                {
                    "id": one.id,
                    "level": one.level,
                    "words": level_words(say, one.level),
                    "at": when(one.at, zone),
                }
                for one in alerts
            ],
            trusted=trusted,
            may_protect=who.person.role == "parent",
            trusted_who=shown_name(trusted.who) if trusted is not None and trusted.who else "",
        )


@router.post("/friends/{friend_id}/know")
def know(
    request: Request,
    friend_id: int,
    who: Annotated[Visitor, Depends(grown_up)],
    kind: Annotated[Literal["known", "protected", "unknown"], Form()],
    person: Annotated[str, Form(max_length=120)] = "",
) -> Response:
    """ "I know this person", a protected line (a counsellor, a helpline), or neither any more."""
    house = house_of(request)
    now = house.now()
    if kind == "protected":
        # What is never read is a parent's to say.
        a_parent(request)
        with house.store.session(read_only=True) as session:
            row, child = own_row(session, who, Relationship, friend_id)
        # It also forgets what was read of them; the card goes with it.
        protect_contact(
            house.store, child.id, row.contact, who=person.strip() or None, by=who.person.id, now=house.now()
        )
        return back(f"/children/{child.id}#unread")
    with house.store.session() as session:
        row, child = own_row(session, who, Relationship, friend_id)
        found = session.scalar(sa.select(Trusted).where(Trusted.child == row.child, Trusted.contact == row.contact))
        if found is not None:
            session.delete(found)
            session.flush()
        if kind != "unknown":
            session.add(
                Trusted(
                    child=row.child,
                    contact=row.contact,
                    kind=kind,
                    who=person.strip() or None,
                    by=who.person.id,
                    at=now,
                )
            )
        audit(
            session,
            f"contact.{kind}",
            at=now,
            family=child.family,
            person=who.person.id,
            subject=f"relationship:{row.id}",
            child=child.id,
        )
    return back(f"/friends/{friend_id}#know")
