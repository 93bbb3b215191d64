// How good the groups are, whether to go on, who answered how, and the model's refresh.

import { get } from "./api.js";
import { intervalBar, lineChart } from "./charts.js";
import { button, h, icon } from "./dom.js";
import { duration, number, percent, t } from "./i18n.js";
import { edit, fill, head } from "./page.js";
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

  /** @param {HTMLElement} element @param {{onStatus: (status: object) => void}} handlers */
  constructor(element, handlers) {
    this.element = element;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body.cards");
    element.append(this.head, this.body);
  }

  async show() {
    clearTimeout(this.#timer);
    if (!this.head.children.length || this.language !== document.documentElement.lang) {
      this.language = document.documentElement.lang;
      this.head.replaceChildren(head("progress-title", t("progress.title"), t("progress.text")));
    }
    let busy = false;
    await fill(this.body, () => get("/api/progress"), (progress) => {
      busy = Boolean(progress.refresh) && progress.refresh.state !== "failed";
      return this.#cards(progress);
    });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => !this.element.hidden && this.show(), busy ? AGAIN_BUSY : AGAIN);
  }

  hide() {
    clearTimeout(this.#timer);
  }

  #cards(progress) {
    return [
      qualityCard(progress),
      stopCard(progress),
      this.#refreshCard(progress),
      annotatorCard(progress.annotators),
      exportCard(this.#confirmed, (on) => {
        this.#confirmed = on;
        this.show();
      }),
      researchCard(progress, this.#research, (open) => (this.#research = open)),
    ];
  }

  #refreshCard({ refresh }) {
    const busy = Boolean(refresh) && refresh.state !== "failed";
    const start = async () => {
      const reply = await edit("/api/refresh", {}, t("refresh.started"));
      if (reply?.status) this.handlers.onStatus(reply.status);
      this.show();
    };
    const now = button({ class: "primary", disabled: busy, data: { name: "refresh" }, text: t("refresh.now"), on: { click: start } });
    return card(t("refresh.title"), h("p", { text: t("refresh.text") }), refreshLine(refresh), now);
  }
}

function card(title, ...children) {
  return h("section.card", {}, h("h2", { text: title }), ...children);
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

function annotatorCard(annotators) {
  const heads = ["name", "answers", "hidden", "per_minute", "median", "agreement", "match_rate"].map((key) => t(`people.${key}`));
  const rows = annotators.map((who) => [
    who.name,
    number(who.answers),
    who.hidden?.asked ? t("people.right", { right: who.hidden.right, asked: who.hidden.asked }) : "–",
    who.per_minute === null ? "–" : number(who.per_minute),
    who.median_seconds === null ? "–" : t("time.seconds", { seconds: who.median_seconds }),
    who.agreement ? t("people.kappa", { kappa: number(who.agreement.kappa, 2), with: who.agreement.with, n: who.agreement.pairs }) : "–",
    who.match_rate === null ? "–" : percent(who.match_rate),
  ]);
  const wide = card(t("people.title"), table(t("people.title"), heads, rows));
  wide.classList.add("wide");
  return wide;
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

function table(label, heads, rows) {
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col", text })));
  const lines = rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row", text: first }), ...rest.map((text) => h("td", { text }))));
  return h("div.table-box", { tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...lines)));
}
