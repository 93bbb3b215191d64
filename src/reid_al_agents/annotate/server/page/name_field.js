// A name that is changed where it stands: Enter or leaving the field keeps it, Escape brings the old one back. A name
// that another identity has is an offer to merge the two.

import { choose } from "./choice.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { groupWords, tile } from "./pictures.js";

/**
 * @param {{id: string, name: string|null, images: object[]}} group
 * @param {(path: string, body: object, words: string) => Promise<any>} change resolves to whether it was taken, or to the
 *   reply where another identity has the name
 * @param {() => void} onMerged the group is part of another now
 */
export function nameField(group, change, onMerged) {
  let name = group.name || "";
  const field = h("input.name", { value: name, maxlength: 100, autocomplete: "off", spellcheck: "false", placeholder: t("identities.name"), "aria-label": t("identities.name_of", { id: group.id }) });
  const leave = async () => {
    const wanted = field.value.trim();
    if (wanted === name) return;
    const before = name;
    name = wanted;
    const done = await change("/api/identities/name", { identity: group.id, name: wanted }, t(wanted ? "identities.named" : "identities.unnamed_now"));
    if (done?.taken) await offerMerge(group, done.taken, change, onMerged);
    if (done !== true) field.value = name = before;
  };
  field.addEventListener("blur", leave);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") field.blur();
    if (event.key === "Escape") {
      field.value = name;
      field.blur();
    }
  });
  return field;
}

async function offerMerge(group, other, change, onMerged) {
  const both = [group, other].map((one) =>
    h("figure.offer", {}, h("div", {}, ...one.images.slice(0, 4).map((image) => tile(image))), h("figcaption", { text: [one.name, groupWords(one)].filter(Boolean).join(" · ") })));
  const answer = await choose(t("names.taken", { name: other.name }), [h("p", { text: t("names.taken_text") }), h("div.offers", {}, ...both)], [
    { value: "merge", label: t("identities.merge"), primary: true },
    { value: "keep", label: t("names.other") },
  ]);
  if (answer !== "merge") return;
  const body = { identities: [other.id, group.id], ...(group.name ? { name: other.name } : {}) };
  if (await change("/api/identities/merge", body, t("identities.merged"))) onMerged();
}
