// Searching the labels: whole words and beginnings first, and never the opposite of what was meant. Enter chooses the
// label that is marked, and no other. The rule is that of affectml/taxonomies/near.py; one test asks both.

import { make } from "./elements.js";
import { _ } from "./texts.js";

// By language: how a word, what stands before a part of a name, and what stands after it says the opposite.
const NEVER = /(?!)/;
const NEGATIONS = {
  en: [
    /^(?:(?:un|dis|in|im|il|ir|non|mis|anti)[^ ]|[^ ]+less(?:ly|ness)?(?: |$))/,
    /(?:^| )(?:no|not|non|never|without|lack|loss|absence|un|dis|mis|anti) /,
    /^(?:less|free| (?:less|free)(?: |$))/,
  ],
  de: [
    /^(?:(?:un|miss|nicht|anti)[^ ]|[^ ]+los(?:igkeit)?(?: |$))/,
    /(?:^| )(?:nicht|nie|ohne|kein[^ ]*|mangel|mangelnd[^ ]*|fehlend[^ ]*|verlust) /,
    /^(?:s?(?:los|frei|mangel|verlust)| (?:los|frei)(?: |$))/,
  ],
  es: [/^(?:des|dis|in|im|ir|anti)[^ ]/, /(?:^| )(?:no|sin|nunca|falta|perdida|ausencia) /, NEVER],
  fr: [
    /^(?:in|im|ir|de|des|dis|me|mes|mal|anti)[^ ]/,
    /(?:^| )(?:pas|non|sans|jamais|manque|perte|absence|aucune?) /,
    NEVER,
  ],
  ja: [NEVER, /[不無非未反]$/, /^(?:[がのも]?(?:ない|なし|無|欠如|喪失)|しない)/],
  zh: [NEVER, /(?:[不无無非未没沒反]|没有|沒有|缺乏|失去)$/, NEVER],
  ar: [/^لا[^ ]/, /(?:^| )(?:لا|غير|عدم|بلا|دون|بدون|فقدان|قله|انعدام|ليس) /, NEVER],
};
const LETTERS = { œ: "o", æ: "a", ى: "ي", ة: "ه", ـ: "" };

// As people type a name: without accents, in whatever case, composed or not; signs between words are blanks. ä and ae
// are one, as are hiragana and katakana, and Arabic's forms of alef; the article in front of an Arabic word is left out.
export function folded(text) {
  const small = text.toLowerCase().toUpperCase().toLowerCase(); // ẞ, ß and ss; σ and ς
  const bare = small.replace(/(^|\s)ال(?=\S{2})/g, "$1").normalize("NFKD").replace(/(?![\u3099\u309a])\p{M}/gu, "");
  const same = bare.replace(/[œæىةـ]/g, (letter) => LETTERS[letter])
    .replace(/[\u30a1-\u30f6]/g, (katakana) => String.fromCharCode(katakana.charCodeAt(0) - 0x60));
  return same.replace(/[\s_\-/,;:.()،؛・、]+/g, " ").replace(/([aou])e/g, "$1").trim();
}

// How what was typed fits a name: 0 whole words, 1 where a word begins, 2 within one, null not at all. language: that of
// the name, for what negates a word.
export function rank(typed, called, language = "en") {
  const [wanted, name] = [folded(typed), folded(called)];
  const [negated, before, after] = NEGATIONS[language.split("-")[0]] ?? [NEVER, NEVER, NEVER];
  let best = null;
  for (let at = wanted ? name.indexOf(wanted) : -1; at >= 0; at = name.indexOf(wanted, at + 1)) {
    const first = name.lastIndexOf(" ", at - 1) + 1;
    const rest = name.slice(at + wanted.length);
    if (before.test(name.slice(0, at)) || after.test(rest)) continue;
    if (at !== first && negated.test(name.slice(first))) continue;
    const fit = at !== first ? 2 : Number(/^[^ ]/.test(rest));
    best = Math.min(best ?? fit, fit);
  }
  return best;
}

export class Search {
  // labels as the view has them, with their chips; choose(label) is told of Enter on the marked one.
  constructor(labels, chips, choose) {
    Object.assign(this, { labels, chips, choose, best: null });
    this.field = make("input", {
      type: "search", class: "search", dir: "auto", placeholder: _("Search labels ( / )"), "aria-label": _("Search labels"),
      autocomplete: "off", spellcheck: "false",
      oninput: () => this.filter(), onkeydown: (event) => this.key(event),
    });
    this.field.hidden = true;
    this.says = make("p", { class: "found", role: "status" });
  }

  // The name by which a label fits, and how well; a label's own names before its group and its other names.
  fit({ name, language, label, group, also }) {
    const names = [[name, language], [label, "en"], [group, language], ...also];
    const found = names.map(([called, spoken]) => ({ called, fit: rank(this.field.value, called, spoken) }));
    return found.filter(({ fit }) => fit !== null).sort((a, b) => a.fit - b.fit)[0] ?? null;
  }

  filter() {
    const typed = this.field.value.trim() !== "";
    this.best = null;
    let least = Infinity;
    for (const each of this.labels) {
      const found = typed ? this.fit(each) : null;
      const chip = this.chips.get(`label:${each.label}`);
      const synonym = found && each.also.some(([called]) => called === found.called) ? ` (${found.called})` : "";
      chip.hidden = typed && found === null;
      chip.querySelector(".name").replaceChildren(each.name, ...(synonym ? [make("small", {}, synonym)] : []));
      if (found && found.fit < least) [least, this.best] = [found.fit, { ...each, synonym }];
    }
    for (const { label } of this.labels) {
      this.chips.get(`label:${label}`).toggleAttribute("data-best", label === this.best?.label);
    }
    if (!typed) this.says.textContent = "";
    else this.says.textContent = this.best ? _("Enter: {label}", { label: `${this.best.name}${this.best.synonym}` }) : _("No label fits.");
  }

  key(event) {
    if ((event.key !== "Enter" && event.key !== "Escape") || event.isComposing) return;
    event.preventDefault();
    if (event.key === "Enter" && this.best) this.choose(this.best.label);
    this.close();
  }

  open() {
    this.field.hidden = false;
    this.field.focus();
  }

  close() {
    if (this.field.value) {
      this.field.value = "";
      this.filter();
    }
    this.field.blur();
    this.field.hidden = true;
  }
}
