// () => lines: what a person cannot read, or cannot hit, of the page and the components in it as they stand.
() => {
  const found = [];
  const elements = [];
  const gather = (root) => {
    for (const element of root.querySelectorAll("*")) {
      elements.push(element);
      if (element.shadowRoot) gather(element.shadowRoot);
    }
  };
  gather(document);
  const around = (element) => element.parentElement ?? (element.getRootNode().host || null);
  const ancestors = (element) => {
    const line = [];
    for (let at = element; at; at = around(at)) line.push(at);
    return line;
  };
  const within = (a, b) => ancestors(a).includes(b);
  const said = (element) => `${element.tagName.toLowerCase()}.${[...element.classList].join(".")} “${(element.innerText ?? element.value ?? "").trim().slice(0, 60)}”`;

  // What only screen readers are to find, and the names that Streamlit's icons are drawn by.
  const unseen = (element) => !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    || ancestors(element).some((at) => {
      const { clip, clipPath } = getComputedStyle(at);
      return at.inert || at.matches("[data-testid=stIconMaterial]") || clip.startsWith("rect(") || clipPath.startsWith("inset(50");
    });
  const inside = (element) => ancestors(element).some((at) => at.matches(".labeller, [data-testid=stMain], dialog[open]"));
  // With a dialog before it, the rest of the page is behind a veil.
  const open = elements.findLast((each) => each.matches("dialog[open], [role=dialog]"));
  const looked = elements.filter((each) => inside(each) && (!open || within(each, open)) && !unseen(each));

  // The part of a box that its surroundings show, and whether they cut off any of it for good: hidden, not scrolled to.
  const shown = (box, element) => {
    let { left, right, top, bottom } = box;
    let cut = false;
    for (const at of ancestors(element)) {
      const style = getComputedStyle(at);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const room = at.getBoundingClientRect();
      const hides = (overflow) => ["hidden", "clip"].includes(overflow);
      cut ||= hides(style.overflowX) && right > left && (left < room.left - 1 || right > room.right + 1);
      cut ||= hides(style.overflowY) && bottom > top && (top < room.top - 2 || bottom > room.bottom + 2);
      [left, right] = [Math.max(left, room.left), Math.min(right, room.right)];
      [top, bottom] = [Math.max(top, room.top), Math.min(bottom, room.bottom)];
    }
    return { left, right, top, bottom, cut, empty: right - left <= 1 || bottom - top <= 1 };
  };
  const meet = (a, b, by) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > by && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > by;

  const lines = []; // of text, with the element that holds it
  for (const element of looked) {
    for (const node of element.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE || !node.textContent.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        const seen = shown(box, element);
        if (seen.cut) found.push(`cut: ${said(element)}`);
        if (seen.empty) continue;
        if (seen.left < -1 || seen.right > innerWidth + 1) found.push(`beside the screen: ${said(element)}`);
        const button = element.closest("button");
        const own = button?.getBoundingClientRect();
        if (own && (box.left < own.left - 1 || box.right > own.right + 1 || box.top < own.top - 1 || box.bottom > own.bottom + 1)) found.push(`sticks out of its button: ${said(button)}`);
        lines.push([element, seen]);
      }
    }
    if (element.matches("input, textarea") && element.placeholder && !element.value) {
      const { font, paddingLeft, paddingRight } = getComputedStyle(element);
      const pen = document.createElement("canvas").getContext("2d");
      pen.font = font;
      const room = element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
      if (pen.measureText(element.placeholder).width > room + 1) found.push(`cut: the placeholder “${element.placeholder}”`);
    }
  }
  lines.forEach(([one, box], at) => {
    for (const [other, beneath] of lines.slice(at + 1)) {
      if (one !== other && !within(one, other) && !within(other, one) && meet(box, beneath, 3)) found.push(`text over text: ${said(one)} and ${said(other)}`);
    }
  });

  const targets = looked.filter((each) => each.matches("button, a[href], input, textarea, select, summary, [role=option], [role=radio], [role=combobox]"))
    .map((each) => [each, shown(each.getBoundingClientRect(), each)]).filter(([, box]) => !box.empty);
  targets.forEach(([one, box], at) => {
    for (const [other, beneath] of targets.slice(at + 1)) {
      if (!within(one, other) && !within(other, one) && meet(box, beneath, 1)) found.push(`one over the other: ${said(one)} and ${said(other)}`);
    }
  });

  for (const [one, box] of lines) {
    for (const [other, beneath] of targets) {
      if (!within(one, other) && !within(other, one) && meet(box, beneath, 3)) found.push(`text over a button: ${said(one)} and ${said(other)}`);
    }
  }

  for (const each of [document.scrollingElement, ...elements.filter((at) => at.matches("[data-testid=stMain], .labeller .choices"))]) {
    if (each.scrollWidth > each.clientWidth + 1) found.push(`scrolls sideways: ${each.tagName.toLowerCase()}.${each.className}`);
  }
  return [...new Set(found)];
}
