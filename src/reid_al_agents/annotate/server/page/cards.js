// Cards and tables of the progress page.

import { h } from "./dom.js";

/** @param {string} title @param {...Node} children */
export function card(title, ...children) {
  return h("section.card", {}, h("h2", { text: title }), ...children);
}

/** @param {string} label @param {string[]} heads @param {(string|Node)[][]} rows the first cell of each is its head */
export function table(label, heads, rows) {
  const cell = (content) => (typeof content === "string" ? h("td", { text: content }) : h("td", {}, content));
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col", text })));
  const lines = rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row", text: first }), ...rest.map(cell)));
  return h("div.table-box", { tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...lines)));
}
