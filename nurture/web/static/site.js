/* Counts page views of visitors who agreed, and of nobody else. Until nurture.consent(true) was called nothing is
   stored and nothing is sent. What is sent: a random number, the path of the page without query, the wording of the
   choice. No cookie, no fingerprint, nothing of other sites. */
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script || window.nurture && window.nurture.ready) { return; }
  var home = new URL(script.src).origin, KEY = "nurture.visitor", SAID = "nurture.consent", held = {};

  function get(name) { try { return localStorage.getItem(name); } catch (e) { return held[name] || null; } }
  function put(name, value) { held[name] = value; try { localStorage.setItem(name, value); } catch (e) { /* private mode */ } }
  function drop(name) { delete held[name]; try { localStorage.removeItem(name); } catch (e) { /* private mode */ } }
  var sent = Promise.resolve();
  function send(told) {
    sent = fetch(home + "/v", {
      method: "POST", mode: "no-cors", credentials: "omit", keepalive: true, referrerPolicy: "no-referrer",
      headers: { "content-type": "text/plain" }, body: JSON.stringify(told)
    }).catch(function () { /* counting never disturbs a page */ });
  }
  function fresh() {
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.prototype.map.call(bytes, function (b) { return ("0" + b.toString(16)).slice(-2); }).join("");
  }

  /* A tracked click of somebody who agreed to it arrives with a short-lived token; it leaves the address bar at once. */
  var click = null, found = /(?:^#|&)nurture=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (found) {
    click = found[1];
    history.replaceState(history.state, "", location.pathname + location.search);
  }

  function page() {
    if (!get(SAID)) { return; }
    var told = { id: get(KEY), path: location.pathname, wording: get(SAID) };
    if (click) { told.click = click; click = null; }
    send(told);
  }
  function consent(yes, wording) {
    if (yes) {
      put(SAID, typeof wording === "string" && wording ? wording : "yes");
      if (!get(KEY)) { put(KEY, fresh()); }
      page();
    } else {
      /* After what is under way, which would otherwise come back to life behind it. */
      if (get(KEY)) { sent.then(send.bind(null, { id: get(KEY), forget: true })); }
      drop(KEY);
      drop(SAID);
    }
  }

  /* A form of ours that stands in the page tells which visitor fills it in. */
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!get(SAID) || !form.action || form.action.indexOf(home + "/forms/") !== 0) { return; }
    var field = form.elements.namedItem("nurture_visitor") || document.createElement("input");
    field.type = "hidden";
    field.name = "nurture_visitor";
    field.value = get(KEY);
    form.appendChild(field);
  }, true);

  /* A plain link to a form of ours carries a ticket: a number of its own, good for one form and a short while, so that
     the address says nothing about the visitor. What stands in the page stays as it was. */
  function handOver(event) {
    var link = event.target && event.target.closest ? event.target.closest("a[href]") : null;
    if (!get(SAID) || !get(KEY) || !link || link.href.indexOf(home + "/forms/") !== 0) { return; }
    var before = link.getAttribute("href"), to = new URL(link.href), ticket = fresh();
    send({ id: get(KEY), ticket: ticket });
    to.searchParams.set("visit", ticket);
    link.href = to.href;
    setTimeout(function () { link.setAttribute("href", before); }, 0);
  }
  document.addEventListener("click", handOver);
  document.addEventListener("auxclick", handOver);

  var early = window.nurture && window.nurture.q || [];
  window.nurture = { ready: true, consent: consent, page: page, agreed: function () { return !!get(SAID); } };
  if (early.length) { early.forEach(function (args) { consent.apply(null, args); }); } else { page(); }
})();
