// How good the groups are, whether to go on, who answered how, and the model's refresh.

import { get } from "./api.js";
import { intervalBar, lineChart } from "./charts.js";
import { button, h, icon } from "./dom.js";
import { duration, number, percent, t } from "./i18n.js";
import { edit, fill, head } from "./page.js";
import { refreshLine } from "./status.js";

const EXPORTS = ["pairs.csv", "identities.csv", "events.jsonl", "labelstudio.json", "labelstudio.xml", "wildlife.csv"];
const STOP_BELOW = 0.05;
const AGAIN = 5000; // milliseconds between two looks while the page is shown
const AGAIN_BUSY = 1500;

export class Progress {
  #timer = 0;

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
      this.#keepFocus();
      return this.#cards(progress);
    });
    this.#restoreFocus();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => !this.element.hidden && this.show(), busy ? AGAIN_BUSY : AGAIN);
  }

  hide() {
    clearTimeout(this.#timer);
  }

  #keepFocus() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    this.focused = focused?.dataset.name;
  }

  #restoreFocus() {
    if (this.focused) this.body.querySelector(`[data-name="${this.focused}"]`)?.focus({ preventScroll: true });
  }

  #cards(progress) {
    return [
      qualityCard(progress),
      stopCard(progress),
      this.#refreshCard(progress),
      annotatorCard(progress.annotators),
      roundCard(progress),
      exportCard(),
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

function qualityCard({ audit, calibration_error: error, match_rate: rate }) {
  const lines = [];
  if (!audit) lines.push(h("p", { text: t("progress.no_audit") }));
  if (audit?.precision) lines.push(intervalBar(t("progress.precision"), audit.precision, t("progress.precision_text")));
  if (audit?.recall) lines.push(intervalBar(t("progress.recall"), audit.recall, t("progress.recall_text")));
  if (audit) lines.push(h("p.remark", { text: t("progress.audit", { n: audit.answers }) }));
  const facts = [["progress.match_rate", rate], ["progress.calibration", error]].filter(([, value]) => value !== null && value !== undefined);
  const list = h("dl.facts", {}, ...facts.map(([key, value]) => h("div", {}, h("dt", { text: t(key) }), h("dd", { text: percent(value, 1) }))));
  return card(t("progress.quality"), ...lines, list);
}

function stopCard({ stop_chance: chance, changed }) {
  if (chance === null || chance === undefined) return card(t("progress.stop"), h("p", { text: t("progress.stop_unknown") }));
  const done = chance < STOP_BELOW;
  return card(t("progress.stop"),
    h("p.figure", { text: percent(chance) }), h("p", { text: t("progress.stop_text") }),
    h("p.verdict", { data: { done: String(done) } }, icon(done ? "same" : "more"), h("span", { text: t(done ? "progress.stop_yes" : "progress.stop_no") })),
    changed && h("p.remark", { text: t("progress.changed", { changed: changed.changed, asked: changed.asked }) }));
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

function roundCard({ rounds, returns = [] }) {
  const over = (read) => rounds.map((round) => ({ x: round.round, y: read(round) }));
  const xLabel = t("rounds.round");
  const charts = [
    lineChart(t("rounds.changed_share"), over((r) => (r.asked ? r.changed / r.asked : null)), { share: true, xLabel }),
    lineChart(t("rounds.match_rate"), over((r) => r.match_rate), { share: true, xLabel }),
    lineChart(t("rounds.returns"), returns.map((y, i) => ({ x: i + 1, y })), { xLabel: t("rounds.episode") }),
  ].filter(Boolean);
  const heads = ["round", "answers", "groups", "changed", "map", "rank1", "seconds"].map((key) => t(`rounds.${key}`));
  const share = (value) => (value === null || value === undefined ? "–" : percent(value, 1));
  const rows = rounds.map((r) => [
    number(r.round), number(r.answers), number(r.groups), t("rounds.of", { changed: r.changed, asked: r.asked }), share(r.map), share(r.rank1),
    r.seconds === null || r.seconds === undefined ? "–" : duration(r.seconds),
  ]);
  const body = rounds.length ? table(t("rounds.title"), heads, rows) : h("p", { text: t("rounds.none") });
  const wide = card(t("rounds.title"), charts.length ? h("div.charts", {}, ...charts) : null, body);
  wide.classList.add("wide");
  return wide;
}

function exportCard() {
  const links = EXPORTS.map((name) =>
    h("li", {}, h("a", { href: `/api/export/${name}`, download: true, text: name, data: { name } }), h("span", { text: t(`export.${name}`) })));
  return card(t("export.title"), h("ul.exports", {}, ...links));
}

function table(label, heads, rows) {
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col", text })));
  const lines = rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row", text: first }), ...rest.map((text) => h("td", { text }))));
  return h("div.table-box", { tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...lines)));
}
