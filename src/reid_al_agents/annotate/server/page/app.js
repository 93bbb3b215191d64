// Puts the page together: who is here, which view is shown, and what is the same in all of them.

import { get, onLost, openSession, signIn } from "./api.js";
import { Adding } from "./adding.js";
import { Answering } from "./answering.js";
import { Contradictions } from "./contradictions.js";
import { button, h, icon } from "./dom.js";
import { History } from "./history.js";
import { openHelp } from "./help.js";
import { currentLanguage, preferredLanguage, t, useLanguage, useNoun } from "./i18n.js";
import { Identities } from "./identities.js";
import { listen } from "./keys.js";
import { errorWords, notice } from "./notices.js";
import { Progress } from "./progress.js";
import { Review } from "./review.js";
import { askName, lostView, nameView, tokenView } from "./sign_in.js";
import { SavedMark, StatusPanel } from "./status.js";
import { printLight, theme, turnTheme } from "./theme.js";
import { waitingView } from "./waiting_view.js";

const LANGUAGES = ["en", "de"];
const STATUS_EVERY = 5000; // milliseconds
const STATUS_BUSY = 1500;

const at = (id) => document.getElementById(id);
const status = new StatusPanel(at("status"));
const saved = new SavedMark(at("saved"));
let views = {};
let lastStatus = null;
let present = null; // the session
let languages = LANGUAGES;

function takeStatus(news) {
  lastStatus = news;
  status.show(news);
}

async function watchStatus() {
  const busy = lastStatus?.refresh && lastStatus.refresh.state !== "failed";
  await new Promise((resolve) => setTimeout(resolve, busy ? STATUS_BUSY : STATUS_EVERY));
  if (document.visibilityState === "visible") await get("/api/status").then(takeStatus).catch(() => {});
  watchStatus();
}

// views

function route() {
  const [, name, id] = location.hash.match(/^#\/(\w+)\/?([^/]*)$/) || [];
  return { name: name in views ? name : "answer", id: decodeURIComponent(id || "") };
}

function markCurrent(link) {
  link.setAttribute("aria-current", "page");
  const [bar, box] = [link.parentElement, link].map((element) => element.getBoundingClientRect()); // a narrow bar scrolls
  link.parentElement.scrollLeft += Math.min(0, box.left - bar.left) + Math.max(0, box.right - bar.right);
}

function showView(moved = true) {
  const { name, id } = route();
  for (const [other, view] of Object.entries(views)) {
    if (other !== name && !at(`view-${other}`).hidden) view.hide?.();
    at(`view-${other}`).hidden = other !== name;
  }
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.dataset.view === name) markCurrent(link);
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = name;
  document.title = `${t(`nav.${name}`)} · reid-al`;
  views[name].show?.(id);
  if (moved) at("main").focus({ preventScroll: true });
  at("main").scrollTo?.({ top: 0 });
}

// the bar

function fillLanguages() {
  const names = (code) => new Intl.DisplayNames([code], { type: "language" }).of(code);
  at("language").replaceChildren(...languages.map((code) => h("option", { value: code, text: names(code), lang: code, selected: code === currentLanguage() })));
}

function drawTheme() {
  at("theme").replaceChildren(icon(theme()));
  at("theme").title = t(`theme.${theme()}`);
  at("theme").setAttribute("aria-label", t(`theme.${theme()}`));
}

function tellWho() {
  const words = present ? t("shell.who", { who: present.annotator }) : "";
  const details = present ? `${present.run} · ${present.data} · ${present.version}` : "";
  const named = present && !present.needs_token;
  at("who").replaceChildren(named
    ? button({ class: "link", text: words, title: details, on: { click: () => askName(at("name"), present.annotator) } })
    : h("span", { text: words, title: details }));
}

async function changeLanguage(code) {
  await useLanguage(code, true);
  drawTheme();
  tellWho();
  status.render();
  saved.render();
  views.answer?.draw(true);
  if (Object.keys(views).length) showView(false);
}

function wireBar() {
  at("help-button").append(icon("help"));
  at("help-button").addEventListener("click", () => openHelp(at("help")));
  at("language").addEventListener("change", (event) => changeLanguage(event.target.value));
  at("theme").addEventListener("click", () => {
    turnTheme();
    drawTheme();
  });
  printLight();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    at("main").focus();
  });
}

function showGate(...nodes) {
  document.body.dataset.view = "gate";
  for (const name of Object.keys(views)) at(`view-${name}`).hidden = true;
  at("gate").replaceChildren(...nodes);
  at("gate").hidden = false;
  at("main").focus({ preventScroll: true });
}

/** The server no longer knows this page: say why, and how many answers wait in this browser. */
function lose(why, now) {
  if (!present) return showGate(tokenView());
  if (document.body.dataset.view === "gate") return undefined;
  return showGate(lostView(why, { unsent: views.answer?.outbox.size ?? 0, before: present, now }));
}

// start

function build(session) {
  const shared = { onStatus: takeStatus, onEdit: (kind) => views.answer.noteEdit(kind) };
  const answering = new Answering(at("view-answer"), session, {
    ...shared,
    onSaved: (outbox) => saved.show(outbox),
    onHelp: () => openHelp(at("help")),
    onUndone: () => route().name !== "answer" && showView(false),
  });
  views = {
    answer: answering,
    contradictions: new Contradictions(at("view-contradictions"), shared),
    progress: new Progress(at("view-progress"), session, shared),
    add: new Adding(at("view-add"), session, shared),
    review: new Review(at("view-review"), session, shared),
    history: new History(at("view-history"), { ...shared, onJump: () => answering.forget() }),
    identities: new Identities(at("view-identities"), session, { ...shared, onUndo: () => answering.undo(), latestEdit: () => answering.latestEdit }),
  };
  listen(() => (route().name === "answer" && at("gate").hidden ? answering.feed.layout : null), (action) => answering.act(action));
  window.addEventListener("hashchange", () => showView());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && answering.feed.refill(true));
}

async function start() {
  onLost(lose);
  wireBar();
  await useLanguage(preferredLanguage(LANGUAGES));
  drawTheme();
  fillLanguages();
  await enter();
}

/** Sign in by the token of a link, or as the browser is known already. */
async function arrive() {
  const token = new URLSearchParams(location.search).get("token");
  if (token === null) return openSession();
  const session = await signIn({ token });
  history.replaceState(null, "", `/${location.hash}`); // no token stays in the address
  return session;
}

async function enter() {
  let session;
  try {
    session = await arrive();
  } catch (error) {
    if (error.status === 401) return error.message && showGate(tokenView(error.message));
    return showGate(waitingView(null, error, enter));
  }
  const name = new URLSearchParams(location.search).get("as");
  if (name !== null) history.replaceState(null, "", `/${location.hash}`);
  if (name && !session.needs_token && name !== session.annotator) {
    return showGate(nameView(name, session.annotator));
  }
  return begin(session);
}

async function begin(session) {
  at("gate").hidden = true;
  languages = session.languages;
  fillLanguages();
  present = session;
  useNoun(session.noun);
  tellWho();
  build(session);
  showView(false);
  views.answer.draw();
  await views.answer.start();
  watchStatus();
}

window.addEventListener("unhandledrejection", (event) => notice(errorWords(event.reason ?? {}), { kind: "error" }));
start();
