// Drawing a card: the pictures to compare, with the typical images of their groups underneath.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { imageWords, thumbnail, timeWords } from "./pictures.js";

const THUMBNAILS = { pair: 6, row: 3 };

/**
 * @param {import("./feed.js").Card} card
 * @returns {{element: HTMLElement, panes: HTMLElement[]}}
 */
export function pairView(card) {
  const [item] = card.items;
  const query = column(t("answer.query"), card.query, card.picture, card.query_group, "pair");
  const candidate = column(t("answer.candidate"), item.candidate, item.picture, item.candidate_group, "pair");
  return { element: h("div.columns", {}, query, candidate), panes: panesOf(query, candidate) };
}

/**
 * @param {import("./feed.js").Card} card
 * @param {{active: number, onToggle: (place: number) => void, onMark: (place: number, value: string) => void}} options
 */
export function rowView(card, options) {
  const query = column(t("answer.query"), card.query, card.picture, card.query_group, "row");
  query.classList.add("row-query");
  const candidates = card.items.map((item, place) => candidateColumn(item, place, options));
  const row = h("ol.row-candidates", { data: { count: candidates.length } }, ...candidates);
  return { element: h("div.columns.in-row", {}, query, row), panes: panesOf(query, ...candidates) };
}

function panesOf(...columns) {
  return columns.map((column) => column.querySelector(".pane-picture"));
}

function column(label, image, picture, group, layout, spoken = label) {
  picture.element.alt = t("answer.picture", { what: spoken, words: imageWords(image) });
  return h("figure.pane", {}, pictureBox(picture), caption(label, image), group && groupStrip(group, layout));
}

function pictureBox(picture) {
  const box = h("div.pane-picture", {}, picture.element);
  picture.ready.then((seen) => {
    if (!seen) box.replaceChildren(h("p.missing", {}, icon("warn"), h("span", { text: t("answer.missing") })));
  });
  return box;
}

function caption(label, image) {
  const camera = (image.camera ?? null) === null ? "" : t("image.camera", { camera: image.camera });
  const time = image.time ? h("span.time", { text: timeWords(image.time) }) : null;
  return h("figcaption", { title: image.name }, h("b", { text: label }), h("span", { text: camera }), time);
}

/** A group's typical images with its name, size and cameras. */
export function groupStrip(group, layout = "pair") {
  const words = [group.name, t("group.size", { n: group.size })];
  if (group.cameras?.length) words.push(t("group.cameras", { n: group.cameras.length, list: group.cameras.join(", ") }));
  const text = words.filter(Boolean).join(" · ");
  const images = (group.images || []).slice(0, THUMBNAILS[layout]).map((image) => thumbnail(image));
  return h("div.strip", {}, h("p", { text, title: text }), h("div.thumbs", {}, ...images));
}

function candidateColumn(item, place, { active, onToggle, onMark }) {
  const mark = markOf(item);
  const figure = column(String(place + 1), item.candidate, item.picture, item.candidate_group, "row", t("answer.candidate_number", { number: place + 1 }));
  figure.querySelector(".pane-picture").addEventListener("click", () => onToggle(place));
  const toggle = button(
    { class: "mark", keepFocus: true, disabled: !isOpen(item, "same"), "aria-pressed": String(mark === "same"), on: { click: () => onToggle(place) } },
    icon(iconOf(mark)), h("span", { text: t(`answer.${mark}`) }),
  );
  const others = ["cannot_tell", "incomparable", "bad_candidate"].map((value) => {
    const words = t(`answer.${value}`);
    const on = { click: () => onMark(place, value) };
    const pressed = String(mark === value);
    return button({ class: "icon-button", keepFocus: true, disabled: !isOpen(item, value), "aria-label": words, title: words, "aria-pressed": pressed, on }, icon(iconOf(value)));
  });
  const marks = h("div.marks", { role: "group", "aria-label": t("answer.for_candidate", { number: place + 1 }) }, toggle, ...others);
  const li = h("li", { data: { mark, place }, "aria-current": place === active ? "true" : null }, figure, marks);
  return li;
}

/** Whether an answer is open: of a picture that could not be loaded nobody can say who is on it. */
export function isOpen(item, value) {
  return !item.unseen || value === "cannot_tell" || value.startsWith("bad_");
}

/** @returns {string} what a row answers about a candidate as it stands */
export function markOf(item) {
  return item.mark || (item.unseen ? "cannot_tell" : "different");
}

/** @param {string} answer @returns {string} name of the drawing that stands for an answer */
export function iconOf(answer) {
  return answer.startsWith("bad_") ? "bad" : answer;
}
