// Asks for the page again and puts what has changed into the one that is shown: no flicker, no lost scroll.
const EVERY = 2000;
const PATIENCE = 8000;
const OLD = 6000;

const banner = document.getElementById("stale");
const age = document.getElementById("stale-age");
const address = new URL(location.href);
address.searchParams.set("format", "html");
address.searchParams.set("lang", document.documentElement.lang);
const version = document.scripts[0].text;
let answered = Date.now();
let asking = false;

function ask() {
  if (asking || document.hidden) {
    return;
  }
  asking = true;
  const request = new XMLHttpRequest();
  request.open("GET", address);
  request.responseType = "document";
  request.timeout = PATIENCE;
  request.onload = () => take(request.status, request.response);
  request.onloadend = () => {
    asking = false;
    tell();
  };
  request.send();
}

function take(status, fresh) {
  if (status !== 200 || fresh === null || fresh.getElementById("page") === null) {
    return;
  }
  answered = Date.now();
  if (fresh.scripts[0].text !== version) {
    location.reload();
    return;
  }
  for (const id of ["head", "page"]) {
    follow(document.getElementById(id), fresh.getElementById(id));
  }
  document.title = fresh.title;
  follow(document.querySelector("link[rel=icon]"), fresh.querySelector("link[rel=icon]"));
}

// Makes an element like another one, and touches only what differs.
function follow(shown, fresh) {
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name)) {
      shown.removeAttribute(name);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) {
      shown.setAttribute(name, value);
    }
  }
  const wanted = [...fresh.childNodes];
  while (shown.childNodes.length > wanted.length) {
    shown.lastChild.remove();
  }
  wanted.forEach((node, index) => {
    const present = shown.childNodes[index];
    if (present === undefined) {
      shown.append(document.importNode(node, true));
    } else if (present.nodeName !== node.nodeName) {
      present.replaceWith(document.importNode(node, true));
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      follow(present, node);
    } else if (present.data !== node.data) {
      present.data = node.data;
    }
  });
}

function tell() {
  const old = Date.now() - answered;
  banner.hidden = old < OLD;
  document.body.classList.toggle("stale", old >= OLD);
  if (old >= OLD) {
    age.textContent = String(Math.round(old / 1000));
    document.title = document.title.replace(/^[^ ]+ /, "▲ ");
  }
}

setInterval(ask, EVERY);
setInterval(() => asking || document.hidden || tell(), 1000);
document.addEventListener("visibilitychange", ask);
