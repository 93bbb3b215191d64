// A name that is changed where it stands: Enter or leaving the field keeps it, Escape brings the old one back.

import { h } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @param {{id: string, name: string|null}} group
 * @param {(name: string) => Promise<boolean>} save
 */
export function nameField(group, save) {
  let name = group.name || "";
  const field = h("input.name", { value: name, maxlength: 100, autocomplete: "off", spellcheck: "false", placeholder: t("identities.name"), "aria-label": t("identities.name_of", { id: group.id }) });
  const leave = async () => {
    const wanted = field.value.trim();
    if (wanted === name) return;
    const before = name;
    name = wanted;
    if (!(await save(wanted))) field.value = name = before;
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
