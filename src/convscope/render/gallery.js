// A gallery gains a box to search in and a choice of orders; without this script it is read group by group.
for (const gallery of document.querySelectorAll(".gallery")) {
  const groups = Array.from(gallery.querySelectorAll(".card-group"), (group) => {
    const list = group.querySelector(".cards");
    return { group, list, cards: Array.from(list.children), head: group.firstElementChild };
  });
  const cards = groups.flatMap((entry) => entry.cards);
  if (!cards.length) continue;
  const heading = (card) => card.querySelector(".card-words").firstElementChild.textContent;
  const number = new Map(cards.map((card) => [card, Number((/\d+/.exec(heading(card)) || [0])[0])]));
  const words = new Map();
  for (const { cards: inner, head } of groups) {
    for (const card of inner) {
      const shown = card.cloneNode(true);
      shown.querySelectorAll("details").forEach((part) => part.remove());
      words.set(card, `${head.textContent} ${shown.textContent}`.toLowerCase());
    }
  }
  const figure = (card, name) => {
    for (const term of card.querySelectorAll(".card-figures dt")) {
      if (term.textContent === name) return Number(term.nextElementSibling.firstElementChild.value);
    }
    return -Infinity;
  };
  const orders = [["by kind", null], ["by number", (a, b) => number.get(a) - number.get(b)]];
  for (const term of cards[0].querySelectorAll(".card-figures dt")) {
    const name = term.textContent;
    orders.push([`${name}, largest first`, (a, b) => figure(b, name) - figure(a, name)]);
    orders.push([`${name}, smallest first`, (a, b) => figure(a, name) - figure(b, name)]);
  }

  const labelled = (text, control) => {
    const label = document.createElement("label");
    label.append(text, " ", control);
    return label;
  };
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "edge 45°, dead, opposite";
  search.size = search.placeholder.length + 4;
  const kind = document.createElement("select");
  kind.append(new Option("all", ""));
  groups.forEach(({ head, cards: inner }, place) => {
    kind.append(new Option(`${head.firstChild.textContent.trim()} (${inner.length})`, String(place)));
  });
  const order = document.createElement("select");
  orders.forEach(([name], place) => order.append(new Option(name, String(place))));
  const told = document.createElement("output");
  const bar = document.createElement("div");
  bar.className = "gallery-bar";
  bar.append(labelled("Find", search), labelled("Kind", kind), labelled("Order", order), told);
  gallery.prepend(bar);

  const show = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    groups.forEach(({ cards: inner }, place) => {
      for (const card of inner) {
        const isKind = ["", String(place)].includes(kind.value);
        card.hidden = !(isKind ? wanted.every((word) => words.get(card).includes(word)) : false);
        count += card.hidden ? 0 : 1;
      }
    });
    const compare = orders[Number(order.value)][1];
    if (compare) {
      groups[0].list.append(...cards.slice().sort(compare));
    } else {
      for (const { list, cards: inner } of groups) list.append(...inner);
    }
    groups.forEach(({ group, head, list }) => {
      head.hidden = Boolean(compare);
      group.hidden = !Array.from(list.children).some((card) => !card.hidden);
    });
    told.textContent = count === cards.length ? `${count} shown` : `${count} of ${cards.length} shown`;
  };
  for (const control of [search, kind, order]) control.addEventListener("input", show);
  // A link to a card that is hidden shows it again.
  const reveal = () => {
    const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (cards.includes(card) ? card.hidden : false) {
      search.value = "";
      kind.value = "";
      show();
      card.scrollIntoView();
    }
  };
  window.addEventListener("hashchange", reveal);
  show();
}
