// Words in the person's language. A table is a flat JSON file; what it lacks is taken from the English one. Words
// that name what the pictures show have one form for each noun: person, animal, vehicle or object.

import { recall, remember } from "./memory.js";

let english = {};
let table = {};
let sentences = {}; // of the server, by their English templates
let language = "en";
let noun = "object";

/** @returns {string} the language in use, for example "de" */
export function currentLanguage() {
  return language;
}

/** @param {string} wanted what the pictures show, by the setting of the session */
export function useNoun(wanted) {
  noun = wanted;
  translate(document);
}

/** The language to start with: the one chosen before, else the browser's, else English. */
export function preferredLanguage(offered) {
  const wished = [recall("language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wished.find((tag) => offered.includes(tag)) || "en";
}

/** Load a table and mark the document. @param {string} wanted @param {boolean} [keep] whether to remember it */
export async function useLanguage(wanted, keep = false) {
  if (!Object.keys(english).length) english = await load("i18n/en");
  [table, sentences] = wanted === "en" ? [english, {}] : await Promise.all([load(`i18n/${wanted}`), load(`sentences/${wanted}`)]);
  language = wanted;
  document.documentElement.lang = wanted;
  if (keep) remember("language", wanted);
  translate(document);
}

async function load(name) {
  try {
    const response = await fetch(`/static/${name}.json`);
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/**
 * The words for a key, of the table that all strings stand in. `{name}` is replaced by a value, numbers in the language's own way. Where `n` is given,
 * "key.one" and "key.other" are the singular and plural.
 * @param {string} key @param {Object<string, any>} [values]
 */
export function t(key, values = {}) {
  const plural = "n" in values ? `${key}.${new Intl.PluralRules(language).select(Number(values.n))}` : key;
  const found = [plural, `${key}.other`, key].map((name) => table[name] ?? english[name]).find((words) => words !== undefined) ?? key;
  const words = typeof found === "string" ? found : found[noun];
  return words.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

/**
 * What the server says, in the language in use; as it said it where there is no translation.
 * @param {string} text @param {{template: string, values: Object<string, any>}} [said] how the text was made
 */
export function sentence(text, said) {
  const words = sentences[said?.template ?? text];
  const values = said?.values ?? {};
  const value = (one) => (typeof one === "object" ? sentence(one.text, one) : shown(one));
  return words ? words.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? value(values[name]) : whole)) : text;
}

/** Whether there are words for a key that comes from elsewhere. @param {string} key */
export function hasWords(key) {
  return key in english;
}

/** The browser's own variant of the language in use ("en-GB"), for dates and numbers. */
function locale() {
  return navigator.languages.find((tag) => tag.slice(0, 2) === language) || language;
}

function shown(value) {
  return typeof value === "number" ? number(value) : String(value);
}

/** @param {number} value @param {number} [digits] after the point, at most */
export function number(value, digits = 1) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

/** @param {number} share of 1 */
export function percent(share, digits = 0) {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** @param {number} seconds @returns {string} as "31 min" or "2 h 5 min" */
export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return t("time.seconds", { seconds: Math.round(seconds) });
  if (minutes < 60) return t("time.minutes", { minutes });
  return t("time.hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** @param {number} at seconds since 1970 @returns {string} date and time of day */
export function moment(at) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(at * 1000));
}

/** Fill in the words of marked elements: `data-i18n` is the text, `data-i18n-label` the accessible name. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const element of root.querySelectorAll("[data-i18n-label]")) {
    const words = t(element.dataset.i18nLabel);
    element.setAttribute("aria-label", words);
    if (element.matches("button")) element.title = words;
  }
}
