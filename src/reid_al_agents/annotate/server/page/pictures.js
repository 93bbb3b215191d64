// Pictures, loaded and decoded before they are shown.

import { h } from "./dom.js";
import { percent, t } from "./i18n.js";

const MOST_KEPT = 400;
const kept = new Map(); // url to an image element that keeps the browser's copy alive; oldest first

/** Load small pictures for later. @param {{small: string}[]} images */
export function warm(images) {
  for (const { small } of images) {
    if (kept.has(small)) continue;
    const element = new Image();
    element.src = small;
    kept.set(small, element);
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  }
}

/**
 * A picture that is decoded before `ready` resolves; `ready` resolves to whether it can be seen. Who draws it says
 * in words what it is.
 * @returns {{element: HTMLImageElement, ready: Promise<boolean>}}
 */
export function decoded(image) {
  const element = h("img", { src: image.url, alt: "", draggable: "false", decoding: "sync", data: image.original ? { original: image.original } : {} });
  const ready = element.decode().then(() => true, () => false);
  return { element, ready };
}

/**
 * Load an enlarged picture in its own size, where it is shown reduced.
 * @param {HTMLImageElement} element as made by `decoded`
 */
export function showOriginal(element) {
  const { original } = element.dataset;
  if (!original) return;
  delete element.dataset.original;
  const full = new Image();
  full.src = original;
  full.decode().then(() => (element.src = original), () => {});
}

/** Whether pictures are wider than high, taken together; layouts follow. @param {object[]} images */
export function shapeOf(images) {
  const ratios = images.map((image) => Math.log((image.width || 1) / (image.height || 1)));
  return ratios.reduce((sum, ratio) => sum + ratio, 0) > 0 ? "wide" : "tall";
}

/** Fill what a whole picture leaves free of its box with the picture itself, blurred. */
export function fillAround(box, image) {
  box.classList.add("filled");
  box.style.setProperty("--fill", `url("${image.small}")`);
  return box;
}

/** A small picture, whole, in a box of any shape; marked where only the model says that it belongs here. */
export function tile(image, options = {}) {
  return mark(fillAround(h("span.tile", {}, thumbnail(image, options)), image), image);
}

function mark(box, image) {
  if (image.confirmed !== false) return box;
  box.classList.add("suggested");
  box.append(h("span.guess", { text: "?", title: suggestedWords(image), "aria-hidden": "true" }));
  return box;
}

/** That only the model puts a picture where it is, and how sure it is, where that is known. */
export function suggestedWords(image) {
  const share = image.probability;
  return typeof share === "number" ? t("group.suggested_with", { share: percent(share) }) : t("group.suggested_one");
}

/** How many pictures a group has, and how many of them only the model puts there. @param {object} group */
export function sizeWords(group) {
  const suggested = group.size - group.confirmed;
  if (group.size < 2 || !suggested) return t("group.size", { n: group.size });
  if (!group.confirmed) return t("group.all_suggested", { n: group.size });
  return t("group.some_suggested", { n: group.size, suggested });
}

/** Size and cameras of a group. @param {object} group */
export function groupWords(group) {
  const cameras = group.cameras?.length ? t("group.cameras", { n: group.cameras.length, list: group.cameras.join(", ") }) : "";
  return [sizeWords(group), cameras].filter(Boolean).join(" · ");
}

/** A small picture with its caption as a title; one that cannot be loaded is left out. */
export function thumbnail(image, options = {}) {
  const { lazy, ...rest } = options;
  const words = imageWords(image);
  const alt = image.confirmed === false ? `${words}, ${suggestedWords(image)}` : words;
  const size = { width: image.width || 64, height: image.height || 128 };
  const on = { error: ({ target }) => ((target.closest(".tile") || target).hidden = true) };
  return h("img", { src: image.small, alt, title: alt, ...size, loading: lazy ? "lazy" : "eager", draggable: "false", on, ...rest });
}

/** @returns {string} camera, side, place and time of an image, as far as they are known; else its name */
export function imageWords(image) {
  const words = [];
  if (image.camera !== null && image.camera !== undefined) words.push(t("image.camera", { camera: image.camera }));
  if (image.side) words.push(image.side);
  if (image.place) words.push(image.place);
  if (image.time) words.push(timeWords(image.time));
  return words.join(" · ") || image.name;
}

/** @param {string} time as the data has it; an ISO time is written plainly */
export function timeWords(time) {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(time) ? time.slice(0, 16).replace("T", " ") : String(time);
}
