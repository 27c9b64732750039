"""Every wire of an instance, in one place: for the server, the worker and the command line alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from actors import attention, departures, grants, identities, joining, mailboxes, resets, security, signins, tidings
from actors.accounts import Accounts
from actors.attention import Attentions
from actors.credentials import Credentials
from actors.decisions import Decisions
from actors.departures import Departures
from actors.desks import Desks
from actors.directory import Directory
from actors.expiry import Expiry
from actors.identities import Identities
from actors.invitations import Invitations
from actors.joining import Joining
from actors.keys import load_identity
from actors.lapsing import Lapsing
from actors.login import Sessions
from actors.mailboxes import Mailboxes
from actors.openid import Provider
from actors.papers import Gone, Papers
from actors.portraits import Portraits
from actors.postoffice import PostOffice
from actors.profiles import Profiles
from actors.relations import Relations
from actors.reviews import Reviews
from actors.standings import Standings
from actors.store import sort_names
from core import conditions
from core.audit import Audit
from core.clock import Clock
from core.countries import CountryPack, pack
from core.darkroom import Darkroom
from core.database import Database, open_database
from core.ids import Ids
from core.journal import Journal
from core.mail import Mailer
from core.migrate import migrate
from core.settings import Settings, secret
from core.space import Space
from core.text import Renderer
from core.vault import KeyVault
from federation import due
from federation.admission import Admission
from federation.allowlist import Allowlist
from federation.client import Client
from federation.delivery import Courier
from federation.disclosures import Disclosures
from federation.door import Door
from federation.handshake import Handshake
from federation.identity import Identity
from federation.keyring import Keyring
from federation.keywatch import KeyWatch
from federation.leaving import Leaving
from federation.queue import Queues
from federation.rates import Rates
from federation.refusals import RefusalLog
from federation.selftest import SelfTest
from federation.shipments import Shipping
from federation.siblingkeys import SiblingKeys
from federation.siblings import Siblings
from inbox import held, ledger
from inbox.bundles import Bundles
from inbox.contact import Contacts
from inbox.effects import Keys
from inbox.erasures import Erasures
from inbox.held import HeldActivities
from inbox.ordered import OrderedErasures
from inbox.receive import Inbox
from inbox.reconciler import Reconciler
from inbox.reconciliations import Reconciliations
from inbox.writer import Writer
from instance import pruning
from instance.live import Live
from instance.looks import SecondLooks
from instance.quotas import Quotas
from instance.signing import SigningIn, signing_in
from instance.sound import check_instance
from instance.uploads import Uploads
from posts import concerns, digests, exports, matters, shelves
from posts.alerts import Alerts
from posts.asking import Asking
from posts.attesting import Attesting
from posts.borrowed import Borrowed
from posts.cases import Cases
from posts.colleagues import Colleagues
from posts.compose import Compose
from posts.consents import Consents
from posts.departing import Departing
from posts.digests import Digests
from posts.drafts import Drafts
from posts.editing import Editing
from posts.exports import Exports
from posts.following import Following
from posts.gallery import Gallery
from posts.indexing import Indexing
from posts.judging import Judging
from posts.lapses import Lapses
from posts.linter.looking import Linter
from posts.markers import Markers
from posts.media import Media
from posts.notifications import Notifications
from posts.objects import Objects
from posts.opening import Opening
from posts.outside import OutsideNotices
from posts.pins import Pins
from posts.polls import Polls
from posts.pushes import Pushes
from posts.reactions import Reactions
from posts.readership import Readerships
from posts.readings import Readings
from posts.reports import Reports
from posts.search import Search
from posts.similar import Similar
from posts.tallies import Tallies
from posts.texts import Texts
from posts.threads import Threads
from posts.ties import Tied
from posts.timelines import Timelines
from posts.topics import Topics
from posts.translations import Translations
from posts.translator import Translator
from posts.trays import Trays
from posts.unmasking import Unmaskings
from posts.watching import Watching
from posts.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Assembly:
    """One instance, put together."""

    settings: Settings
    pack: CountryPack
    clock: Clock
    ids: Ids
    database: Database
    space: Space
    vault: KeyVault
    identity: Identity
    audit: Audit
    refusals: RefusalLog
    allowlist: Allowlist
    client: Client
    door: Door
    handshake: Handshake
    selftest: SelfTest
    admission: Admission
    disclosures: Disclosures
    rates: Rates
    siblings: Siblings
    keyring: Keyring
    sibling_keys: SiblingKeys
    keywatch: KeyWatch
    leaving: Leaving
    queues: Queues
    ties: Tied
    ordered_erasures: OrderedErasures
    accounts: Accounts
    desks: Desks
    joining: Joining
    invitations: Invitations
    decisions: Decisions
    reviews: Reviews
    standings: Standings
    expiry: Expiry
    departures: Departures
    departing: Departing
    exports: Exports
    sessions: Sessions
    quotas: Quotas
    second_looks: SecondLooks
    signing: SigningIn
    identities: Identities
    credentials: Credentials
    directory: Directory
    profiles: Profiles
    portraits: Portraits
    relations: Relations
    compose: Compose
    cases: Cases
    linter: Linter
    colleagues: Colleagues
    drafts: Drafts
    editing: Editing
    polls: Polls
    tallies: Tallies
    lapses: Lapses
    attesting: Attesting
    reactions: Reactions
    timelines: Timelines
    search: Search
    similar: Similar
    indexing: Indexing
    topics: Topics
    notifications: Notifications
    mailboxes: Mailboxes
    digests: Digests
    attentions: Attentions
    pushes: Pushes
    alerts: Alerts
    asking: Asking
    post_office: PostOffice
    mailer: Mailer
    threads: Threads
    following: Following
    pins: Pins
    readings: Readings
    markers: Markers
    live: Live
    translator: Translator
    translations: Translations
    readerships: Readerships
    objects: Objects
    outside: OutsideNotices
    darkroom: Darkroom
    papers: Papers
    uploads: Uploads
    media: Media
    trays: Trays
    workbench: Workbench
    borrowed: Borrowed
    gallery: Gallery
    consents: Consents
    unmaskings: Unmaskings
    reports: Reports
    judging: Judging
    opening: Opening
    inbox: Inbox
    bundles: Bundles
    courier: Courier
    held: HeldActivities
    erasures: Erasures
    reconciliations: Reconciliations
    reconciler: Reconciler


@asynccontextmanager
async def assemble(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Assembly]:
    """Open the database, bring it up to date, load the keys and connect everything; close it all afterwards."""
    check_instance(settings)
    clock = clock or Clock()
    ids = Ids(Clock())  # the order in which things came here, also where a test or the demo moves the clock
    federation = settings.federation
    vault = KeyVault(settings.path("secret.key"))
    mailer = Mailer(settings.mail, settings.path("."), settings.instance.name, settings.instance.domain)
    password = secret(settings.identity.client_secret, settings.identity.client_secret_file, settings.path("."),
                      "identity.client_secret_file")
    translation_key = secret(settings.translation.api_key, settings.translation.api_key_file, settings.path("."),
                             "translation.api_key_file")
    database = await open_database(
        settings.database.url, settings.path("."), readers=settings.database.readers,
        synchronous=settings.database.synchronous)
    try:
        await migrate(database, clock.ms())
        await sort_names(database)
        audit = Audit(database, vault, clock)
        await audit.adopt()
        identity = await load_identity(database, vault, settings.instance, clock, ids)
        signing = signing_in(settings, database, vault, identity, clock, ids, audit)
    except BaseException:
        await database.close()
        raise
    refusals = RefusalLog(database, clock)
    disclosures = Disclosures(database, clock, audit)
    allowlist = Allowlist(database, refusals)
    client = Client(identity, refusals, clock, timeout=federation.timeout_seconds, body_limit=federation.body_limit_bytes)
    rates = Rates(federation.sibling_requests_per_second, settings.server.refused_per_minute)
    door = Door(allowlist, refusals, rates, clock, authority=identity.domain, window=federation.window_seconds)
    provider = Provider(settings.identity, password, client, f"{identity.origin}/login/identity/callback")
    translator = Translator(settings.translation, translation_key, client)
    renderer = Renderer(settings.posts.render_deadline_seconds, settings.posts.text_limit)
    darkroom = Darkroom()
    doctors = Directory(database, identity, allowlist, client, clock, ids)
    texts = Texts(renderer, doctors, identity)
    country = pack(settings.instance.country)
    profiles = Profiles(database, identity, clock, ids)
    relations = Relations(database, identity, clock, ids, concerns)
    four_eyes = federation.four_eyes
    keyring = Keyring(database, vault, identity, clock, ids, audit, four_eyes=four_eyes,
                      settle_seconds=federation.timeout_seconds)
    sibling_keys = SiblingKeys(database, identity, clock, ids, audit, four_eyes=four_eyes)
    siblings = Siblings(database, identity, client, clock, ids, audit, four_eyes=four_eyes, on_change=(
        held.sibling_changed, profiles.sibling_changed, relations.sibling_changed, due.sibling_changed,
        keyring.sibling_changed, sibling_keys.sibling_changed))
    handshake = Handshake(database, identity, allowlist, client, door, refusals, clock)
    writer = Writer(identity.origin, clock, ids, Keys(keyring, sibling_keys), settings.posts.vote_grace_seconds * 1000,
                    federation.held_per_sibling)
    contacts = Contacts(database, clock)
    journal = Journal(settings.path(settings.retention.erasure_journal))
    space = Space((database.path.parent, journal.path.parent), settings.database.reserve_mib)
    accounts = Accounts(database, identity, vault, clock, ids, audit, signing.passwords, settings.joining)
    desks = Desks(database, identity, accounts, clock, ids, audit)
    papers = Papers(database, vault, clock, ids, audit, darkroom, settings.path("documents"), country, settings)
    media = Media(database, vault, darkroom, clock, settings.path("pictures"), settings)
    borrowed = Borrowed(allowlist, client, darkroom, refusals, clock, settings.media)
    lapsing = Lapsing(database, clock, settings.joining, partial(papers.delete_of, why=Gone.ENDED))
    departing = Departing(database, identity, vault, clock, ids, audit, ledger, (
        exports.forget, security.farewell, grants.farewell, identities.farewell, lapsing.farewell, matters.farewell, desks.left,
        shelves.farewell, attention.farewell))
    erasures = Erasures(database, identity, siblings, accounts, lapsing, departing, audit, journal, clock, ids)
    selftest = SelfTest(database, identity, allowlist, client, handshake, clock, ids, audit, window=federation.window_seconds)
    resolver = HeldActivities(identity.origin, database, allowlist, client, writer, clock, ids, federation)
    kept = Reconciliations(database, siblings, audit, clock, ids, settings.reconciliation, country.zone)
    timelines = Timelines(database, identity, clock)
    pushes = Pushes(database, vault, clock, ids, settings.push, country.zone)
    boxes = Mailboxes(database, vault, clock, ids, country.zone)
    try:
        assembly = Assembly(
            settings=settings, pack=country, clock=clock, ids=ids, database=database, space=space,
            vault=vault, identity=identity, audit=audit,
            refusals=refusals, allowlist=allowlist, client=client, door=door, rates=rates, handshake=handshake, selftest=selftest,
            admission=Admission(siblings, selftest, clock), disclosures=disclosures, siblings=siblings,
            leaving=Leaving(database, siblings, allowlist, client, identity, clock, ids, audit), keyring=keyring,
            queues=Queues(database, clock, audit), sibling_keys=sibling_keys, ties=Tied(database), accounts=accounts, desks=desks,
            keywatch=KeyWatch(database, client, siblings, sibling_keys, clock, minutes=federation.key_look_minutes),
            ordered_erasures=OrderedErasures(database, clock, audit), credentials=Credentials(database, country, clock),
            sessions=signing.sessions, quotas=Quotas(settings.clients.requests), second_looks=SecondLooks(clock),
            signing=signing,
            identities=Identities(database, provider, vault, clock, ids),
            directory=doctors, profiles=profiles,
            relations=relations, compose=Compose(database, identity, texts, clock, ids, settings.posts),
            linter=Linter(settings.linter.hospitals, clock),
            editing=Editing(database, identity, texts, clock, ids, audit, settings.posts, ledger.forget),
            cases=Cases(database, identity, texts, clock, ids),
            colleagues=Colleagues(database, identity, clock, doctors),
            drafts=Drafts(database, clock, ids, settings.posts.text_limit),
            polls=Polls(database, identity, clock, ids, settings.posts.vote_grace_seconds),
            tallies=Tallies(database, identity, clock, ids, settings.posts.vote_grace_seconds),
            lapses=Lapses(database, identity, clock, ids),
            attesting=Attesting(database, identity, allowlist, client, clock, audit),
            reactions=Reactions(database, identity, clock, ids), timelines=timelines,
            search=Search(database, identity, clock, conditions), indexing=Indexing(database, conditions),
            similar=Similar(database, identity, clock, conditions),
            topics=Topics(database, clock), threads=Threads(database, identity, clock),
            following=Following(database, ids), pins=Pins(database, ids),
            readings=Readings(database, clock, settings.retention.reading_days),
            markers=Markers(database, clock),
            live=Live(database, Watching(database, identity, timelines), clock, settings),
            translator=translator, translations=Translations(database, identity, translator, clock, ids),
            notifications=Notifications(database, clock), readerships=Readerships(database, identity, clock, doctors),
            mailboxes=boxes, reviews=Reviews(database, clock),
            standings=Standings(database, clock), expiry=Expiry(database, identity, clock, ids, audit),
            decisions=Decisions(database, accounts, boxes, signing.links, clock, ids, audit, settings.joining),
            attentions=Attentions(database, country.zone),
            pushes=pushes,
            alerts=Alerts(database, vault, clock, ids, pushes, country.zone, settings.clients.unused_days),
            asking=Asking(database, clock, ids, country.zone), digests=Digests(database, clock, ids, country.zone),
            mailer=mailer, objects=Objects(database, identity), post_office=PostOffice(
                database, clock, country.zone, mailboxes.MAILS | digests.MAILS | joining.MAILS | tidings.MAILS | signins.MAILS |
                resets.MAILS | departures.MAILS | exports.MAILS),
            joining=Joining(database, vault, clock, ids, country, settings, lapsing),
            invitations=Invitations(database, vault, clock, ids, settings.joining),
            outside=OutsideNotices(database, clock, ids, audit, settings.accounts.login_window_seconds),
            darkroom=darkroom, uploads=Uploads(), media=media, borrowed=borrowed, trays=Trays(database, media, clock, ids),
            gallery=Gallery(database, media, borrowed, clock, audit),
            workbench=Workbench(database, vault, darkroom, media, clock, settings.path("plates"), settings),
            consents=Consents(database, identity, clock, ids, audit, ledger.forget),
            papers=papers, portraits=Portraits(database, identity, darkroom, allowlist, client, clock, ids),
            unmaskings=Unmaskings(database, identity, clock, ids, audit),
            reports=Reports(database, identity, clock, ids, settings.reports.appeal_days),
            judging=Judging(database, identity, vault, clock, ids, audit, ledger.forget,
                            appeal_days=settings.reports.appeal_days, report_days=settings.reports.keep_days),
            opening=Opening(database, identity, clock, ids, audit, settings.reports.tell_days),
            inbox=Inbox(database, door, writer, refusals, contacts, clock, federation),
            bundles=Bundles(database, identity, door, writer, refusals, contacts, clock, federation),
            courier=Courier(database, Shipping(identity, allowlist, client), clock, ids, federation),
            departures=Departures(database, clock, ids, audit, settings.accounts.departure_days), departing=departing,
            exports=Exports(database, clock, ids, settings.accounts.archive_days),
            held=resolver, erasures=erasures, reconciliations=kept,
            reconciler=Reconciler(database, identity, allowlist, client, resolver, kept, clock, ids))
        await pruning.settle(assembly)
        yield assembly
    finally:
        for part in (renderer, borrowed, darkroom, client, refusals, erasures, disclosures, database):
            await part.close()
