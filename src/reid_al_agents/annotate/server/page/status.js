// What is always in view: how far the work has come.

import { button, h, icon } from "./dom.js";
import { duration, hasWords, number, percent, sentence, t } from "./i18n.js";

/** Figures by name, in order; those that are null stay out. Each is [value, remark]. */
const FIGURES = {
  today: (s) => [number(s.answers_today), t("status.of_all", { all: s.answers_total })],
  speed: (s) => (s.per_minute === null ? null : [number(s.per_minute, 0), t("status.per_minute")]),
  left: (s) => (s.seconds_left === null ? null : [duration(s.seconds_left), ""]),
  questions: (s) => (s.questions_left === null || s.questions_left === undefined ? null : [number(s.questions_left), ""]),
  groups: (s) => [number(s.groups), ""],
  images: (s) => share(s.images_confirmed, s.images),
  suggested: (s) => [number(s.images_suggested), ""],
  saved: (s) => [number(s.saved), ""],
};

function share(part, whole) {
  return part === undefined || part === null ? null : [number(part), t("status.of", { all: whole }), whole ? part / whole : null];
}

export class StatusPanel {
  #status = null;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.list = h("dl.figures");
    this.more = h("div.status-more");
    this.toggle = button({ class: "icon-button unfold", "aria-expanded": "false", on: { click: () => this.#unfold() } }, icon("more"));
    element.append(this.list, this.more, this.toggle);
  }

  /** @param {object} status as the server sends it */
  show(status) {
    this.#status = status;
    this.render();
  }

  render() {
    this.toggle.setAttribute("aria-label", t("status.unfold"));
    const status = this.#status;
    if (!status) return;
    const figures = Object.entries(FIGURES).map(([name, read]) => [name, read(status)]);
    this.list.replaceChildren(
      ...figures.filter(([, figure]) => figure).map(([name, figure]) => line(name, ...figure)),
      contradictionLine(status.contradictions),
    );
    this.more.replaceChildren(...[modelLine(status.model), refreshLine(status.refresh)].filter(Boolean));
    const badge = document.getElementById("nav-contradictions");
    badge.hidden = !status.contradictions;
    badge.textContent = number(status.contradictions);
  }

  #unfold() {
    const open = this.element.classList.toggle("open");
    this.toggle.setAttribute("aria-expanded", String(open));
  }
}

function line(name, value, remark, filled = null) {
  const meter = filled === null ? null : h("meter", { min: 0, max: 1, value: Math.min(1, filled), "aria-hidden": "true" });
  const words = h("dd", {}, h("b", { text: value }), remark ? h("span", { text: ` ${remark}` }) : null);
  return h("div", { data: { figure: name } }, h("dt", { text: t(`status.${name}`), title: t(`status.${name}_long`) }), words, meter);
}

function contradictionLine(count) {
  const link = h("a", { href: "#/contradictions" }, h("b", { text: number(count) }), h("span", { text: ` ${t("status.settle")}` }));
  const none = h("span", {}, h("b", { text: "0" }));
  const dt = h("dt", { text: t("status.contradictions"), title: t("status.contradictions_long") });
  return h("div", { data: { figure: "contradictions" }, class: count ? "warned" : null }, dt, h("dd", {}, count ? link : none));
}

function modelLine(model) {
  if (!model) return null;
  const without = model.round ? t("status.model_none") : t("status.model_start");
  return h("p", { text: model.answers ? t("status.model", { n: model.answers }) : without });
}

/** The bar of a refresh that runs, waits or has failed. */
export function refreshLine(refresh) {
  if (!refresh) return null;
  if (refresh.state === "failed") {
    return h("p.refresh.failed", {}, icon("warn"), h("span", { text: t("refresh.failed", { message: sentence(refresh.message || "", refresh.said) }) }));
  }
  const step = hasWords(`refresh.${refresh.what}`) ? `refresh.${refresh.what}` : "refresh.work";
  const what = refresh.state === "waiting" ? t("refresh.waiting") : t(`refresh.${refresh.state}`, { what: t(step) });
  const known = refresh.state !== "waiting" && refresh.total > 0;
  const bar = h("progress", { "aria-label": what, max: known ? refresh.total : null, value: known ? refresh.done : null });
  const remark = known ? percent(refresh.done / refresh.total) : "";
  return h("div.refresh", {}, h("p", {}, h("span", { text: what }), h("span", { text: remark })), bar);
}

const STATES = { saved: "same", saving: "undo", failing: "warn" };

/** Whether the answers are saved: shown in the bar, and said when it changes for the worse or the better. */
export class SavedMark {
  #state = "saved";
  #outbox = null;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  /** @param {import("./outbox.js").Outbox} outbox */
  show(outbox) {
    this.#outbox = outbox;
    const state = outbox.failing && outbox.size ? "failing" : outbox.size ? "saving" : "saved";
    if ((state === "failing") !== (this.#state === "failing") && state !== "saving") {
      document.getElementById("live-saved").textContent = t(`saved.${state}`, { n: outbox.size });
    }
    if (state !== "saving" || this.#state !== "failing") this.#state = state;
    this.render();
  }

  render() {
    if (!this.#outbox) return;
    const words = t(`saved.${this.#state}`, { n: this.#outbox.size });
    this.element.dataset.state = this.#state;
    const retry = button({ class: "link", keepFocus: true, text: t("saved.retry"), on: { click: () => this.#outbox.retryNow() } });
    const parts = [icon(STATES[this.#state]), h("span", { text: words })];
    this.element.replaceChildren(...parts, ...(this.#state === "failing" ? [retry] : []));
  }
}
