// Light or dark: as the system has it, until the person chooses.

import { remember } from "./memory.js";

const NEXT = { auto: "dark", dark: "light", light: "auto" };

/** @returns {"auto"|"dark"|"light"} what is set */
export function theme() {
  return document.documentElement.dataset.theme in NEXT ? document.documentElement.dataset.theme : "auto";
}

/** Go on to the next of automatic, dark and light, and keep it. */
export function turnTheme() {
  document.documentElement.dataset.theme = NEXT[theme()];
  remember("theme", theme());
}

/** Paper is light, whatever the screen is. */
export function printLight() {
  window.addEventListener("beforeprint", () => (document.documentElement.dataset.theme = "light"));
  window.addEventListener("afterprint", () => (document.documentElement.dataset.theme = theme()));
}
