// A question with a few answers, asked in a dialog.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @param {string} title
 * @param {Node[]} body what the question is about
 * @param {{value: string, label: string, primary?: boolean}[]} choices
 * @returns {Promise<string|null>} the value chosen; null where the dialog was closed
 */
export function choose(title, body, choices) {
  const dialog = document.getElementById("choice");
  const done = (value) => {
    dialog.returnValue = value;
    dialog.close(value);
  };
  const close = button({ class: "icon-button", "aria-label": t("shell.close"), on: { click: () => done("") } }, icon("close"));
  const buttons = choices.map(({ value, label, primary }) =>
    button({ class: primary ? "primary" : "secondary", text: label, on: { click: () => done(value) } }));
  dialog.returnValue = "";
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "choice-title", text: title }), close), ...body, h("p.choices", {}, ...buttons));
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true }));
}
