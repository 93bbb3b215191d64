// How good the groups are, whether to go on, who answered how, and the model's refresh.

import { get } from "./api.js";
import { card, table } from "./cards.js";
import { intervalBar, lineChart } from "./charts.js";
import { choose } from "./choice.js";
import { button, h, icon } from "./dom.js";
import { duration, number, percent, t } from "./i18n.js";
import { addLink, edit, fill, head } from "./page.js";
import { peopleCard } from "./people.js";
import { refreshLine } from "./status.js";

const EXPORTS = ["pairs.csv", "identities.csv", "events.jsonl", "labelstudio.json", "labelstudio.xml", "wildlife.csv", "camtrapdp.zip", "market1501.zip", "identities.zip"];
const STOP_BELOW = 0.05;
const FEWEST_TO_TELL = 10; // answers
const WIDEST_INTERVAL = 0.3; // of a share that is worth showing
const AGAIN = 5000; // milliseconds between two looks while the page is shown
const AGAIN_BUSY = 1500;

export class Progress {
  #timer = 0;
  #confirmed = false; // whether downloads leave out what is only suggested
  #research = false; // whether the figures for researchers are unfolded

  /** @param {HTMLElement} element @param {object} session @param {{onStatus: (status: object) => void}} handlers */
  constructor(element, session, handlers) {
    this.element = element;
    this.session = session;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body.cards");
    element.append(this.head, this.body);
  }

  async show() {
    clearTimeout(this.#timer);
    if (!this.head.children.length || this.language !== document.documentElement.lang) {
      this.language = document.documentElement.lang;
      this.head.replaceChildren(head("progress-title", t("progress.title"), t("progress.text"), addLink(this.session)));
    }
    let busy = false;
    const load = () => Promise.all([get("/api/progress"), this.session.admin ? get("/api/annotators") : { names: [] }]);
    await fill(this.body, load, ([progress, { names }]) => {
      busy = Boolean(progress.refresh) && progress.refresh.state !== "failed";
      return this.#cards(progress, names);
    });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => !this.element.hidden && this.show(), busy ? AGAIN_BUSY : AGAIN);
  }

  #pauseButton(refresh) {
    const paused = refresh?.state === "paused";
    if (refresh?.state !== "running" && !paused) return null;
    const turn = async () => {
      const reply = await edit("/api/refresh/pause", { paused: !paused }, t(paused ? "refresh.goes_on" : "refresh.is_paused"));
      if (reply?.status) this.handlers.onStatus(reply.status);
      this.show();
    };
    return button({ class: "secondary", data: { name: "pause" }, text: t(paused ? "refresh.go_on" : "refresh.pause"), on: { click: turn } });
  }

  async #revoke(name) {
    const sure = await choose(t("people.revoke_sure", { name }), [h("p", { text: t("people.revoke_text") })], [
      { value: "revoke", label: t("people.revoke"), primary: true },
    ]);
    if (sure) await edit("/api/annotators/revoke", { name }, t("people.revoked", { name }));
    this.show();
  }

  hide() {
    clearTimeout(this.#timer);
  }

  #cards(progress, tokens) {
    return [
      qualityCard(progress),
      stopCard(progress),
      this.#refreshCard(progress),
      peopleCard(progress.annotators, tokens, (name) => this.#revoke(name)),
      exportCard(this.#confirmed, (on) => {
        this.#confirmed = on;
        this.show();
      }),
      researchCard(progress, this.#research, (open) => (this.#research = open)),
    ];
  }

  #refreshCard({ refresh }) {
    if (!this.session.learns) return card(t("refresh.title"), h("p", { text: t("refresh.never") }));
    const busy = Boolean(refresh) && refresh.state !== "failed";
    const start = async () => {
      const reply = await edit("/api/refresh", {}, t("refresh.started"));
      if (reply?.status) this.handlers.onStatus(reply.status);
      this.show();
    };
    const now = button({ class: "primary", disabled: busy, data: { name: "refresh" }, text: t("refresh.now"), on: { click: start } });
    return card(t("refresh.title"), h("p", { text: t("refresh.text") }), refreshLine(refresh), h("div.screen-buttons", {}, now, this.#pauseButton(refresh)));
  }
}

function qualityCard({ audit }) {
  if (!audit?.precision && !audit?.recall) return card(t("progress.quality"), h("p", { text: t("progress.no_audit") }));
  return card(t("progress.quality"),
    estimate(t("progress.precision"), audit.precision, t("progress.precision_text")),
    estimate(t("progress.recall"), audit.recall, t("progress.recall_text")),
    h("p.remark", { text: t("progress.audit", { n: audit.answers }) }));
}

/** A figure with its interval, once that is narrow enough to say something. */
function estimate(label, values, remark) {
  if (values && values[2] - values[1] <= WIDEST_INTERVAL) return intervalBar(label, values, remark);
  const words = h("p", {}, h("span", { text: label }), h("span.range", { text: t("progress.uncertain") }));
  return h("div.estimate", {}, words, h("p.remark", { text: remark }));
}

function stopCard({ stop_chance: chance, changed }) {
  if (typeof chance !== "number" || changed.asked < FEWEST_TO_TELL) return card(t("progress.stop"), h("p", { text: t("progress.stop_unknown") }));
  const done = chance < STOP_BELOW;
  const words = t(done ? "progress.stop_yes" : "progress.stop_no", { changed: changed.changed, asked: changed.asked });
  return card(t("progress.stop"), h("p.verdict", { data: { done: String(done) } }, icon(done ? "same" : "more"), h("span", { text: words })));
}

/** What only those want who study the method; folded away. */
function researchCard({ rounds, returns = [], ...figures }, open, onToggle) {
  const facts = [["progress.match_rate", figures.match_rate], ["progress.stop_chance", figures.stop_chance], ["progress.calibration", figures.calibration_error]];
  const known = facts.filter(([, value]) => typeof value === "number");
  const list = h("dl.facts", {}, ...known.map(([key, value]) => h("div", {}, h("dt", { text: t(key) }), h("dd", { text: percent(value, 1) }))));
  const body = rounds.length ? roundTable(rounds) : h("p", { text: t("rounds.none") });
  const details = h("details", { open, on: { toggle: (event) => onToggle(event.target.open) } },
    h("summary", { data: { name: "research" } }, h("h2", { text: t("progress.research") })),
    list, h("div.charts", {}, ...roundCharts(rounds, returns)), body);
  return h("section.card.wide.research", {}, details);
}

function roundCharts(rounds, returns) {
  const over = (read) => rounds.map((round) => ({ x: round.round, y: read(round) }));
  const xLabel = t("rounds.round");
  return [
    lineChart(t("rounds.changed_share"), over((r) => (r.asked ? r.changed / r.asked : null)), { share: true, xLabel }),
    lineChart(t("rounds.match_rate"), over((r) => r.match_rate), { share: true, xLabel }),
    lineChart(t("rounds.returns"), returns.map((y, i) => ({ x: i + 1, y })), { xLabel: t("rounds.episode") }),
  ].filter(Boolean);
}

function roundTable(rounds) {
  const heads = ["round", "answers", "groups", "changed", "map", "rank1", "seconds"].map((key) => t(`rounds.${key}`));
  const share = (value) => (typeof value === "number" ? percent(value, 1) : "–");
  const rows = rounds.map((r) => [
    number(r.round), number(r.answers), number(r.groups), t("rounds.of", { changed: r.changed, asked: r.asked }), share(r.map), share(r.rank1),
    typeof r.seconds === "number" ? duration(r.seconds) : "–",
  ]);
  return table(t("rounds.title"), heads, rows);
}

/** Files to download; those of identities with what the model suggests, or without. */
function exportCard(confirmed, onToggle) {
  const links = EXPORTS.map((name) =>
    h("li", {}, h("a", { href: `/api/export/${name}${confirmed ? "?confirmed=true" : ""}`, download: true, text: name, data: { name } }), h("span", { text: t(`export.${name}`) })));
  const box = h("input", { type: "checkbox", checked: confirmed, data: { name: "confirmed" }, on: { change: (event) => onToggle(event.target.checked) } });
  return card(t("export.title"), h("label.pick", {}, box, h("span", { text: t("export.confirmed") })), h("ul.exports", {}, ...links));
}
