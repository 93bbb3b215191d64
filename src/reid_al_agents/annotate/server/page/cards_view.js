// Drawing a card: the pictures to compare, with the typical images of their groups underneath.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { fillAround, groupWords, imageWords, shapeOf, tile, timeWords } from "./pictures.js";

const THUMBNAILS = { pair: 5, row: 3 };

/**
 * @param {import("./feed.js").Card} card
 * @returns {{element: HTMLElement, panes: HTMLElement[]}}
 */
export function pairView(card) {
  const [item] = card.items;
  const a = column(t("answer.a"), card.query, card.picture, card.query_group, "pair");
  const b = column(t("answer.b"), item.candidate, item.picture, item.candidate_group, "pair");
  const shape = shapeOf([card.query, item.candidate]);
  return { element: h("div.columns", { data: { shape } }, a, b), panes: panesOf(a, b) };
}

/**
 * @param {import("./feed.js").Card} card
 * @param {{active: number, onToggle: (place: number) => void, onMark: (place: number, value: string) => void}} options
 */
export function rowView(card, options) {
  const first = column(t("answer.first"), card.query, card.picture, card.query_group, "row");
  first.classList.add("row-first");
  const others = card.items.map((item, place) => numberedColumn(item, place, options));
  const row = h("ol.row-others", { data: { count: others.length } }, ...others);
  const shape = shapeOf([card.query, ...card.items.map((item) => item.candidate)]);
  return { element: h("div.columns.in-row", { data: { shape } }, first, row), panes: panesOf(first, ...others) };
}

function panesOf(...columns) {
  return columns.map((column) => column.querySelector(".pane-picture"));
}

function column(label, image, picture, group, layout, spoken = label) {
  picture.element.alt = t("answer.picture", { what: spoken, words: imageWords(image) });
  return h("figure.pane", {}, pictureBox(picture, image), caption(label, image), group && groupStrip(group, layout, image.id));
}

function pictureBox(picture, image) {
  const box = fillAround(h("div.pane-picture", {}, picture.element), image);
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

/** Where a group is looked at as a whole, by one of its images, on the way back to the questions. */
export function mixedLink(image) {
  return `#/identities/i${image.id}`;
}

/** The other typical images of a group, with its name, size and cameras. */
function groupStrip(group, layout, beside) {
  const text = [group.name, groupWords(group)].filter(Boolean).join(" · ");
  const images = (group.images || []).filter((image) => image.id !== beside).slice(0, THUMBNAILS[layout]);
  const mixed = group.size > 1 ? h("a.mixed", { href: mixedLink({ id: beside }), text: t("answer.mixed") }) : null;
  return h("div.strip", {}, h("p", { title: text }, h("span", { text }), mixed), h("div.thumbs", {}, ...images.map((image) => tile(image))));
}

function numberedColumn(item, place, { active, onToggle, onMark }) {
  const mark = markOf(item);
  const figure = column(String(place + 1), item.candidate, item.picture, item.candidate_group, "row", t("answer.number", { number: place + 1 }));
  figure.querySelector(".pane-picture").addEventListener("click", () => onToggle(place));
  const toggle = button(
    { class: "mark", keepFocus: true, disabled: !isOpen(item, "same"), "aria-pressed": String(mark === "same"), data: { name: `mark-${place}`, waits: "pictures" }, on: { click: () => onToggle(place) } },
    icon(iconOf(mark)), h("span", { text: wordsOf(mark, true) }),
  );
  const others = ["cannot_tell", "incomparable", "bad_candidate"].map((value) => {
    const words = wordsOf(value, true);
    const on = { click: () => onMark(place, value) };
    const pressed = String(mark === value);
    return button({ class: "icon-button", keepFocus: true, disabled: !isOpen(item, value), "aria-label": words, title: words, "aria-pressed": pressed, data: { name: `${value}-${place}`, waits: "pictures" }, on }, icon(iconOf(value)));
  });
  const marks = h("div.marks", { role: "group", "aria-label": t("answer.for_number", { number: place + 1 }) }, toggle, ...others);
  return h("li", { data: { mark, place }, "aria-current": place === active ? "true" : null }, figure, marks);
}

/** The words for an answer; in a row, its pictures have numbers instead of letters. */
export function wordsOf(answer, inRow) {
  const named = { bad_candidate: "answer.bad_numbered", bad_query: "answer.bad_first" };
  return t((inRow && named[answer]) || `answer.${answer}`);
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
