// One line at the top: what went wrong and what to do, or what was done.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";

const SHOWN_FOR = 5000;

/**
 * @param {string} text one line
 * @param {{kind?: "note"|"error", action?: {label: string, run: () => void}, id?: string, done?: boolean}} [options] a
 *   notice with an `id` replaces the one before it; `done` ticks it off
 */
export function notice(text, { kind = "note", action, id = kind, done = true } = {}) {
  const place = document.getElementById("notices");
  place.querySelector(`[data-id="${id}"]`)?.remove();
  const line = h("p.notice", { role: kind === "error" ? "alert" : "status", data: { id, kind } });
  const close = button({ class: "icon-button", "aria-label": t("shell.close"), on: { click: () => line.remove() } }, icon("close"));
  const sign = kind === "error" ? icon("warn") : done && icon("same");
  line.append(...[sign, h("span", { text })].filter(Boolean));
  if (action) {
    const run = () => {
      line.remove();
      action.run();
    };
    line.append(button({ class: "link", text: action.label, on: { click: run } }));
  }
  line.append(close);
  place.append(line);
  if (kind === "note") setTimeout(() => line.remove(), SHOWN_FOR);
}

/** @param {import("./api.js").ApiError} error @returns {string} one line: what happened and what to do */
export function errorWords(error) {
  if (error.status === undefined) console.error(error);
  if (!error.status) return t("error.network");
  if (error.status === 401) return t("error.locked_out");
  if (error.status === 403) return t("error.forbidden", { message: error.message });
  if (error.status === 429) return t("error.too_fast");
  if (error.status >= 500) return t("error.server", { message: error.message || error.status });
  return error.message || t("error.refused", { status: error.status });
}
