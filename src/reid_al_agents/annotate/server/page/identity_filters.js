// What the list of identities shows: a search, a state, a camera, a side, dates, and an order.

import { h } from "./dom.js";
import { t } from "./i18n.js";

const SHOW = ["all", "named", "unnamed", "single", "suggested", "conflicting", "hidden"];
const SORTS = ["size", "recent", "name"];
const TYPING = 300; // milliseconds after the last letter until the list is searched

export class IdentityFilters {
  #values = { search: "", show: "all", camera: "", side: "", since: "", until: "", sort: "size" };
  #timer = 0;

  /** @param {{cameras: object[], sides: object[], dated: boolean}} session @param {() => void} onChange */
  constructor(session, onChange) {
    Object.assign(this, { session, onChange });
  }

  /** As parameters of the address. */
  get query() {
    return new URLSearchParams(Object.entries(this.#values).filter(([, value]) => value !== "")).toString();
  }

  /** Whether anything is left out that is usually shown. */
  get narrow() {
    const { sort, show, ...rest } = this.#values;
    return show !== "all" || Object.values(rest).some((value) => value !== "");
  }

  /** The fields, as they stand. */
  draw() {
    const { cameras, sides, dated } = this.session;
    const typed = (event) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#set("search", event.target.value), TYPING);
    };
    const search = h("input", { type: "search", value: this.#values.search, maxlength: 100, placeholder: t("filter.search"), "aria-label": t("filter.search"), data: { name: "search" }, on: { input: typed } });
    return h("div.filters", { role: "search", "aria-label": t("filter.title") },
      search,
      this.#select("show", SHOW.map((name) => [name, t(`filter.show_${name}`)])),
      cameras.length > 1 ? this.#select("camera", any(cameras)) : null,
      sides.length > 1 ? this.#select("side", any(sides)) : null,
      ...(dated ? [this.#day("since"), this.#day("until")] : []),
      this.#select("sort", SORTS.map((name) => [name, t(`identities.sort_${name}`)])));
  }

  #select(name, options) {
    const items = options.map(([value, text]) => h("option", { value, text, selected: String(this.#values[name]) === String(value) }));
    return this.#field(name, h("select", { data: { name }, on: { change: (event) => this.#set(name, event.target.value) } }, ...items));
  }

  #day(name) {
    return this.#field(name, h("input", { type: "date", value: this.#values[name], data: { name }, on: { change: (event) => this.#set(name, event.target.value) } }));
  }

  #field(name, control) {
    return h("label.field", {}, h("span", { text: t(`filter.${name}`) }), control);
  }

  #set(name, value) {
    this.#values[name] = value;
    this.onChange();
  }
}

function any(choices) {
  return [["", t("filter.any")], ...choices.map(({ id, name }) => [id, name])];
}
