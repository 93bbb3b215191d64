// Pictures, loaded and decoded before they are shown.

import { h } from "./dom.js";
import { t } from "./i18n.js";

const MOST_KEPT = 400;
const kept = new Map(); // url to an image element that keeps the browser's copy alive; oldest first

/** Load pictures for later. @param {{url: string}[]} images */
export function warm(images) {
  for (const { url } of images) {
    if (kept.has(url)) continue;
    const element = new Image();
    element.src = url;
    kept.set(url, element);
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  }
}

/**
 * A picture that is decoded before `ready` resolves; `ready` resolves to whether it can be seen. Who draws it says
 * in words what it is.
 * @returns {{element: HTMLImageElement, ready: Promise<boolean>}}
 */
export function decoded(image) {
  const element = h("img", { src: image.url, alt: "", draggable: "false", decoding: "sync" });
  const ready = element.decode().then(() => true, () => false);
  return { element, ready };
}

/** A small picture with its caption as a title; one that cannot be loaded is left out. */
export function thumbnail(image, options = {}) {
  const { lazy, ...rest } = options;
  const alt = imageWords(image);
  const size = { width: image.width || 64, height: image.height || 128 };
  const on = { error: (event) => (event.target.hidden = true) };
  return h("img", { src: image.url, alt, title: alt, ...size, loading: lazy ? "lazy" : "eager", draggable: "false", on, ...rest });
}

/** @returns {string} camera and time of an image, as far as they are known; else its name */
export function imageWords(image) {
  const words = [];
  if (image.camera !== null && image.camera !== undefined) words.push(t("image.camera", { camera: image.camera }));
  if (image.time) words.push(timeWords(image.time));
  return words.join(" · ") || image.name;
}

/** @param {string} time as the data has it; an ISO time is written plainly */
export function timeWords(time) {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(time) ? time.slice(0, 16).replace("T", " ") : String(time);
}
