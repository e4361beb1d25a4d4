// Drawing: the page's elements are made once, and changed where something changed. All text goes in as text.

import { button, make } from "./elements.js";
import { COMMANDS } from "./keys.js";
import { Pad } from "./pad.js";
import { Search } from "./search.js";
import { StudyPart } from "./study.js";

const NOTICES = {
  unseen: "Not counted: the image has to be in view first.",
  damaged: "This image is damaged. Skip it, or flag it.",
  nothing: "Nothing is chosen yet. Choose labels, or “none of these”.",
  note: "Say in the note what is wrong with the image.",
  look: "Look a little longer before you answer.",
  full: "This browser has no room to keep the answer safely, so it was not taken. Free some space and press Enter again.",
  conflict: "This image was answered differently elsewhere under your name. Both answers are kept, and the lead decides.",
  first: "This is the first image.",
  fixed: "First answers stand here; you will be asked again.",
  break: "You have worked for a while. A break helps: Escape pauses.",
};
const KINDS = [
  ["none", "None of these", "0"],
  ["unsure", "Unsure", "."],
  ["skip", "Skip", ","],
  ["flag", "Flag", "!"],
];
const KIND_NAMES = new Map(KINDS.map(([kind, text]) => [kind, text.toLowerCase()]));
const KEY_NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→" };
const STRENGTHS = ["", "a little", "clearly", "strongly"];

export class View {
  // labels: [{label, name, key, group, tone, meaning, also}], in the order shown; task: question, instructions, settings;
  // on: what to do about clicks.
  constructor(root, { labels, task, on }) {
    Object.assign(this, { labels, task, on });
    this.chips = new Map();
    this.zoom = "fit";
    this.root = root;
    root.classList.toggle("strengths", Boolean(task.intensity));
    this.search = new Search(labels, this.chips, on.label);
    root.classList.toggle("many", this.search.many);
    this.build();
  }

  build() {
    const { task, on } = this;
    this.study = task.study ? new StudyPart(task.study, on.understood) : null;
    this.stage = make("div", { class: "stage", tabindex: "0", role: "group", "aria-label": "Image" });
    this.scale = make("span", { class: "scale" });
    this.waiting = make("p", { class: "waiting" });
    this.cover = button("", { class: "cover", "data-enter": "own", onclick: () => on.command(this.covered) });
    this.cover.hidden = true;
    this.pass = button("Skip this image", { class: "pass", "data-enter": "own", onclick: () => on.command("pass") });
    this.pass.hidden = true;
    this.frame = make("div", { class: "frame" }, this.stage, this.waiting, this.cover, this.pass);
    this.question = make("h2", { class: "question", id: "question" }, task.question);
    this.ask = make("p", { class: "ask" });
    this.original = make("p", { class: "original" });
    this.suggestion = make("p", { class: "suggestion" });
    this.asked = make("div", { class: "asked", role: "group", "aria-labelledby": "question" },
      this.question, this.ask, this.original, this.suggestion, this.study?.came);
    this.groups = make("div", { class: "groups", role: "group", "aria-labelledby": "question" });
    this.buildChips();
    this.kinds = make("div", { class: "kinds", role: "group", "aria-label": "Other answers" });
    for (const [kind, text, key] of KINDS) {
      if (kind === "none" && task.single) continue; // "reasonable or not" has no such answer
      const chip = this.chip(text, key, () => on.command(kind));
      this.chips.set(`kind:${kind}`, chip);
      this.kinds.append(chip);
    }
    this.note = make("input", {
      type: "text", class: "note", maxlength: "2000", placeholder: "What is wrong with the image?",
      "aria-label": "Note", oninput: () => on.note(this.note.value), onkeydown: (event) => this.noteKey(event),
    });
    this.note.hidden = true;
    this.chosen = make("p", { class: "chosen" });
    this.pad = task.valenceArousal ? new Pad(on.feel) : null;
    this.saveButton = button("Save", { class: "save", "aria-keyshortcuts": "Enter", onclick: () => on.command("save") });
    this.backButton = button("Back", { "aria-keyshortcuts": "Backspace", onclick: () => on.command("back") });
    this.forwardButton = button("Forward", { "aria-keyshortcuts": "ArrowRight", onclick: () => on.command("forward") });
    const actions = make("div", { class: "actions" }, this.backButton, this.forwardButton, this.saveButton);
    this.notice = make("p", { class: "notice", role: "status" });
    this.dropped = make("span", { role: "status" });
    this.droppedButton = button("Dismiss", { "data-enter": "own", onclick: () => on.command("dismiss") });
    this.droppedButton.hidden = true;
    this.conflicts = make("div", { class: "refused conflicts" });
    this.status = make("p", { class: "status", role: "status" });
    this.progress = make("p", { class: "progress" });
    this.bar = make("progress", { max: "1", value: "0", "aria-label": this.study ? "Progress" : "Progress of the team" });
    this.refused = make("div", { class: "refused" });
    const find = button("Find", { class: "find", "aria-keyshortcuts": "/", onclick: () => on.command("search") });
    find.hidden = !this.search.many;
    const tools = make("div", { class: "tools" }, this.study?.button, find,
      button("Zoom", { "aria-keyshortcuts": "Space", onclick: () => on.command("look") }),
      button("Pause", { "aria-keyshortcuts": "Escape", onclick: () => on.command("pause") }),
      button("Help", { "aria-keyshortcuts": "?", onclick: () => on.command("help") }));
    this.help = this.buildHelp();
    this.root.replaceChildren(
      make("div", { class: "left" }, this.frame,
        make("div", { class: "under" },
          make("div", { class: "how" }, this.bar, this.progress, this.scale), tools)),
      make("div", { class: "right" }, this.asked, this.search.field, this.search.says,
        make("div", { class: "choices" }, this.groups, this.pad?.element), this.kinds, this.note, this.chosen, actions,
        make("div", { class: "says" }, this.notice, make("p", { class: "dropped" }, this.dropped, this.droppedButton),
          this.status, make("div", { class: "alerts" }, this.study?.warning, this.conflicts, this.refused)),
        this.study?.beside),
      this.help, ...(this.study ? [this.study.dialog] : []));
  }

  chip(text, key, act, meaning = null) {
    const cap = key ? make("kbd", { "aria-hidden": "true" }, key) : null;
    const strength = make("span", { class: "strength" });
    const chip = button("", {
      class: "chip", "aria-pressed": "false", "aria-keyshortcuts": key, title: meaning, onclick: act,
    });
    const mark = make("span", { class: "mark", "aria-hidden": "true" }, "✓");
    chip.replaceChildren(...(cap ? [cap] : []), mark, make("span", { class: "name" }, text), strength);
    return chip;
  }

  buildChips() {
    const groups = new Map();
    for (const each of this.labels) {
      const place = groups.get(each.group) ?? make("div", { class: "group" });
      if (!groups.has(each.group)) {
        groups.set(each.group, place);
        if (each.group) place.append(make("span", { class: "heading" }, each.group));
        this.groups.append(place);
      }
      const chip = this.chip(each.name, each.key, () => this.on.label(each.label), each.meaning);
      if (each.tone) chip.dataset.tone = each.tone;
      this.chips.set(`label:${each.label}`, chip);
      place.append(chip);
    }
  }

  buildHelp() {
    const { task } = this;
    const rows = COMMANDS.filter(([, command]) => !(command === "none" && task.single)).map(([key, , what]) =>
      make("tr", {}, make("td", {}, make("kbd", {}, KEY_NAMES[key] ?? key)), make("td", {}, what)));
    const meanings = this.labels.map(({ name, key, meaning }) =>
      make("tr", {}, make("td", {}, key ? make("kbd", {}, key) : ""), make("th", { scope: "row" }, name),
        make("td", {}, meaning ?? "")));
    return make("dialog", { class: "help", "aria-labelledby": "help-title" },
      make("div", { class: "top" }, make("h2", { id: "help-title" }, "Help"),
        button("Close", { "data-enter": "own", onclick: () => this.help.close(), autofocus: true })),
      task.instructions ? make("p", { class: "instructions" }, task.instructions) : null,
      make("div", { class: "columns", tabindex: "0", role: "group", "aria-label": "Keys and labels" },
        make("table", {}, make("caption", {}, "Keys"), make("tbody", {}, ...rows)),
        make("table", {}, make("caption", {}, "Labels"), make("tbody", {}, ...meanings))),
      task.intensity ? make("p", {}, "The same key again says how strongly: a little, clearly, strongly.") : null);
  }

  // Changes

  showPicture(session, picture) {
    const element = session.item && picture ? picture.element : null;
    this.stage.replaceChildren(...(element ? [element] : []));
    this.zoom = "fit";
    this.fit();
    this.drawWaiting(session);
  }

  drawWaiting(session) {
    let text = "";
    const part = this.stage.firstChild !== null;
    if (session.broken) text = part ? "This image is damaged: a part of it is missing. Skip it, or flag it." : "This image cannot be shown. Skip it, or flag it.";
    else if (session.item === null && session.finished) text = this.task.finished;
    else if (session.item === null) {
      text = session.outbox.online ? "Loading the next image …"
        : session.outbox.away ? "The server's database is away. The next image comes when it is back."
          : "No connection. The next image comes when the server is back.";
    }
    if (this.waiting.textContent !== text) this.waiting.textContent = text;
    this.waiting.hidden = text === "";
    this.frame.dataset.damaged = String(session.broken && part);
  }

  drawItem(session) {
    const { item } = session;
    this.search.close();
    const looks = { second: "Second look. ", again: "Another round. " };
    this.ask.textContent = item?.ask ? `“${item.ask}”` : "";
    this.original.textContent = item?.original ? `The collection's own label: ${item.original}` : "";
    this.suggestion.textContent = item?.look && looks[item.look]
      ? looks[item.look] + (item.suggestion ? `A model suggests: ${item.suggestion.join(", ")}. ` : "")
        + "Your first answer is chosen; change it or keep it."
      : "";
    for (const line of [this.ask, this.original, this.suggestion]) line.hidden = !line.textContent;
    this.root.dataset.image = item?.image ?? "";
    this.root.dataset.round = item?.round ?? "";
    this.root.dataset.look = item?.look ?? "";
  }

  drawSelection(session) {
    const { labels, kind, note, valence, arousal } = session.selection;
    for (const [name, chip] of this.chips) {
      const [type, value] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
      const strength = type === "label" ? labels.get(value) : undefined;
      const on = type === "label" ? strength !== undefined : kind === value;
      if ((chip.getAttribute("aria-pressed") === "true") !== on) chip.setAttribute("aria-pressed", String(on));
      const text = on && this.task.intensity && type === "label" ? STRENGTHS[strength] : "";
      if (chip.lastChild.textContent !== text) chip.lastChild.textContent = text;
    }
    const names = [...labels.keys()].map((label) => this.called(label));
    this.chosen.textContent = names.length ? `chosen: ${names.join(", ")}` : kind ? `chosen: ${KIND_NAMES.get(kind)}` : "nothing chosen";
    // What is typed after the note was sent belongs to the next image, and not to a field that is gone.
    if (kind !== "flag" && this.note.matches(":focus")) this.stage.focus({ preventScroll: true });
    this.note.hidden = kind !== "flag";
    if (this.note.value !== note) this.note.value = note;
    this.pad?.draw(valence, arousal);
  }

  // Nothing is asked any more.
  over(session) {
    return session.item === null && session.finished;
  }

  called(label) {
    return this.labels.find((each) => each.label === label)?.name ?? label;
  }

  drawState(session, lock) {
    this.root.dataset.over = String(this.over(session));
    this.saveButton.disabled = this.over(session);
    this.backButton.disabled = session.past.length === 0;
    this.forwardButton.disabled = session.at === null;
    this.saveButton.textContent = session.at === null ? "Save" : "Save the correction";
    this.root.dataset.state = !lock.held ? "elsewhere" : session.ready ? "ready" : session.paused ? "paused" : "waiting";
    this.root.dataset.at = session.at === null ? "" : String(session.at);
    const veiled = session.item !== null && !session.revealed;
    const behind = this.study !== null && !this.study.practice && this.over(session);
    this.covered = !lock.held ? "take" : session.paused ? "pause" : veiled ? "look" : "finish";
    this.cover.hidden = lock.held && !session.paused && !veiled && !behind;
    const warning = session.item?.warning ?? "";
    const COVERS = {
      take: "You are labelling in another tab or window. Work here instead", pause: "Paused. Continue",
      look: `${warning && `${warning}\n\n`}Show the image (space)`, finish: "You have answered all your images. Go on",
    };
    this.cover.textContent = COVERS[this.covered];
    this.cover.dataset.covers = this.covered;
    this.stage.dataset.veiled = String(veiled || session.paused || !lock.held);
    this.stage.dataset.warned = String(veiled && warning !== "");
    this.pass.hidden = !(this.covered === "look" && veiled && warning) || Boolean(this.study?.practice);
  }

  drawNotice(session) {
    const text = session.notice === null ? "" : NOTICES[session.notice];
    if (this.notice.textContent !== text) this.notice.textContent = text;
  }

  drawDropped(session) {
    const n = session.early.dropped;
    this.dropped.textContent = n === 0 ? "" :
      `${n} ${n === 1 ? "key" : "keys"} came before the image was visible and ${n === 1 ? "was" : "were"} not counted.`;
    this.droppedButton.hidden = n === 0;
  }

  drawProgress(session, outbox) {
    this.drawWaiting(session);
    this.study?.draw(session);
    const { team, left, secondsEach } = session;
    const parts = [`${session.done} answered by you`];
    if (secondsEach !== null) parts.push(`${secondsEach.toFixed(1)} s each`);
    if (team) {
      this.bar.value = team.wanted ? team.answered / team.wanted : 0;
      parts.push(`${team.answered} of ${team.wanted} by all`);
      // Others may take some of what one could still be given, so one's own time is at most this.
      if (secondsEach === null && team.seconds_left > 0) parts.push(`${duration(team.seconds_left)} left for all`);
      if (secondsEach !== null && left > 0 && !this.over(session)) parts.push(`at most ${left} left for you: ${duration(left * secondsEach)} at your pace`);
    }
    this.progress.textContent = parts.join(" · ");
    if (this.study) [this.progress.textContent, this.bar.value] = this.study.progress(session);
    const unsaved = outbox.waiting.size;
    let text = this.study?.practice ? "" : "All answers saved";
    if (outbox.stopped) text = `${outbox.stopped}${unsaved ? ` (${unsaved} unsaved, kept in this browser)` : ""}`;
    else if (!outbox.online) text = `${outbox.away ? "The database is away" : "Offline"}: ${unsaved ? `${unsaved} unsaved,` : "answers are"} kept in this browser and sent when the server is back`;
    else if (unsaved) text = `${unsaved} unsaved`;
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.dataset.trouble = String(Boolean(outbox.stopped) || !outbox.online);
    this.root.dataset.unsaved = String(unsaved);
    this.drawRefused(outbox);
  }

  drawRefused(outbox) {
    const shown = [...outbox.refused.keys()].join(" ");
    if (this.refused.dataset.shown === shown) return;
    this.refused.dataset.shown = shown;
    this.refused.replaceChildren(...[...outbox.refused].map(([id, { answer, error }]) =>
      make("p", { role: "alert" },
        `Not stored: ${this.inWords(answer)}. ${error} `,
        make("a", { download: `not-stored-${id}.json`, href: fileOf({ answer, error }) }, "Keep as a file"), " ",
        button("Understood", { "data-enter": "own", onclick: () => outbox.forgetRefused(id) }))));
  }

  // What a person answered, of whatever shape it came out of the browser's store.
  inWords({ image, kind, labels }) {
    if (image === undefined) return "an answer given in this browser";
    return `image ${image}, ${Array.isArray(labels) && labels.length ? labels.map((label) => this.called(label)).join(", ") : kind}`;
  }

  // Answers to earlier images that met others: the notice names its image, and leads there.
  drawConflicts(session) {
    this.conflicts.replaceChildren(...session.conflicts.filter((entry) => entry !== session.past[session.at]).map((entry) =>
      make("p", { role: "alert" }, `Answered differently elsewhere under your name: ${this.inWords({ ...entry.answer, ...entry.item })}. Both answers are kept, and the lead decides. `,
        ...(entry.fixed ? [] : [button("Show it", { "data-enter": "own", onclick: () => this.on.conflict(entry, true) }), " "]),
        button("Understood", { "data-enter": "own", onclick: () => this.on.conflict(entry, false) }))));
  }

  // Zoom. Large images are shrunk to fit. Small photographs are enlarged smoothly, at most twice; drawings by a whole
  // number.

  fit() {
    this.asked.tabIndex = this.asked.scrollHeight > this.asked.clientHeight ? 0 : -1; // what scrolls is reached by keys
    const picture = this.stage.firstChild;
    this.scale.textContent = "";
    if (!picture) return;
    const room = Math.min(this.stage.clientWidth / picture.naturalWidth, this.stage.clientHeight / picture.naturalHeight);
    const fits = room < 1 ? room : picture.dataset.drawing === "true" ? Math.floor(room) : Math.min(room, 2);
    const scale = this.zoom === "fit" ? fits : Math.max(fits * 2, 1);
    picture.style.inlineSize = `${Math.max(Math.round(picture.naturalWidth * scale), 1)}px`;
    picture.style.imageRendering = scale >= 2 && picture.dataset.drawing === "true" ? "pixelated" : "auto";
    this.stage.dataset.zoom = this.zoom;
    this.stage.scrollTo((this.stage.scrollWidth - this.stage.clientWidth) / 2, (this.stage.scrollHeight - this.stage.clientHeight) / 2);
    this.scale.textContent =
      `${picture.naturalWidth} × ${picture.naturalHeight} pixels, shown at ${Math.round(scale * 100)} %`;
  }

  toggleZoom() {
    this.zoom = this.zoom === "fit" ? "close" : "fit";
    this.fit();
  }

  // The note, and help

  noteKey(event) {
    if ((event.key !== "Enter" && event.key !== "Escape") || event.isComposing) return;
    event.preventDefault();
    // An empty note keeps the focus: people go on typing it, and what they type must not become answers.
    if (event.key === "Enter") this.on.command("save");
    else this.stage.focus({ preventScroll: true });
  }

  toggleHelp() {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }
}

const fileOf = (content) => `data:application/json,${encodeURIComponent(JSON.stringify(content, null, 2))}`;

function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 90) return `${minutes} min`;
  return `${(minutes / 60).toFixed(1)} h`;
}
