// Turning the pages of a list.

import { button, h } from "./dom.js";
import { number, t } from "./i18n.js";

/**
 * @param {HTMLElement} view scrolled to its top when the page is turned
 * @param {string} label
 * @param {number} offset @param {number} size of a page @param {number} total
 * @param {(offset: number) => Promise<any>} turn
 */
export function pager(view, label, offset, size, total, turn) {
  const last = Math.min(total, offset + size);
  const go = (to) => () => turn(to).then(() => view.closest("main").scrollTo({ top: 0 }));
  return h("nav.pager", { "aria-label": label },
    button({ class: "secondary", disabled: offset === 0, text: t("identities.before"), on: { click: go(offset - size) } }),
    h("span", { text: t("identities.range", { from: number(offset + 1), to: number(last), total: number(total) }) }),
    button({ class: "secondary", disabled: last >= total, text: t("identities.after"), on: { click: go(offset + size) } }));
}
