// What a script that is in the page, and was loaded after the app, finds by looking: everywhere it can get
// without calling a method of the app's. It adds one function to the page, `search(needles)`, which resolves
// with `{ found: [{ name, where }], objects, texts }`; `needles` is an object of texts by their names.

const me = document.currentScript.src;
const heard = [];

for (const name of ['debug', 'error', 'info', 'log', 'table', 'trace', 'warn']) {
  const before = console[name];
  console[name] = (...values) => {
    heard.push(...values);
    before.apply(console, values);
  };
}

for (const kind of ['error', 'message', 'rejectionhandled', 'securitypolicyviolation', 'storage', 'unhandledrejection']) {
  addEventListener(kind, (event) => heard.push(event), true);
}

// Far more than a page has.
const MOST = 3_000_000;

class Search {
  found = [];
  objects = 0;
  texts = 0;

  #needles;
  #seen = new Set();
  #todo = [];
  #told = new Set();

  constructor(needles) {
    this.#needles = Object.entries(needles);
    // What the search itself is made of is no find.
    this.#seen.add(needles).add(this).add(this.#needles).add(this.#seen).add(this.#todo).add(this.#told).add(this.found);
    for (const pair of this.#needles) this.#seen.add(pair);
  }

  text(text, where) {
    this.texts += 1;
    for (const [name, needle] of this.#needles) {
      if (!text.includes(needle) || this.#told.has(`${name} ${where}`)) continue;
      this.#told.add(`${name} ${where}`);
      this.found.push({ name, where });
    }
  }

  value(value, where) {
    if (typeof value === 'string') this.text(value, where);
    else if (typeof value === 'symbol') this.text(value.description ?? '', where);
    else if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
      if (this.#seen.has(value)) return;
      this.#seen.add(value);
      this.#todo.push([value, where]);
    }
  }

  // Everything reachable from what was added.
  async walk() {
    while (this.#todo.length > 0) {
      const [value, where] = this.#todo.shift();
      this.objects += 1;
      if (this.objects > MOST) throw new Error(`there is no end of it: ${where}`);
      this.#inside(value, where);
      await this.#promised(value, where);
    }
  }

  #inside(value, where) {
    if (typeof value === 'function') this.text(Function.prototype.toString.call(value), `${where} (source)`);
    for (let holder = value; holder !== null; holder = Object.getPrototypeOf(holder)) {
      for (const key of Reflect.ownKeys(holder)) this.#property(value, holder, key, where);
      this.value(Object.getPrototypeOf(holder), `${where}.__proto__`);
    }
    if (value instanceof Map) for (const [key, one] of value) this.#pair(key, one, where);
    if (value instanceof Set) for (const one of value) this.value(one, `${where} (member)`);
    if (value instanceof WebAssembly.Table) for (let at = 0; at < value.length; at += 1) this.#entry(value, at, where);
    if (value instanceof ArrayBuffer) this.#bytes(new Uint8Array(value), where);
    if (ArrayBuffer.isView(value)) this.#bytes(new Uint8Array(value.buffer), where);
    if (value instanceof Headers || value instanceof URLSearchParams || value instanceof FormData) {
      for (const [key, one] of value) this.#pair(key, one, where);
    }
  }

  #property(value, holder, key, where) {
    const name = typeof key === 'symbol' ? `[${String(key)}]` : `.${key}`;
    this.value(key, `${where} (the name of a property)`);
    try {
      const { get, set, value: own } = Object.getOwnPropertyDescriptor(holder, key);
      for (const one of [get, set]) this.value(one, `${where}${name} (accessor)`);
      this.value(get ? Reflect.apply(get, value, []) : own, `${where}${name}`);
    } catch {
      // Not for this receiver, or not for scripts.
    }
  }

  #pair(key, value, where) {
    this.value(key, `${where} (key)`);
    this.value(value, `${where} (value)`);
  }

  #entry(table, at, where) {
    this.value(table.get(at), `${where}[${at}]`);
  }

  #bytes(bytes, where) {
    this.text(new TextDecoder('latin1').decode(bytes), `${where} (bytes)`);
  }

  // What a promise holds that is settled already.
  async #promised(value, where) {
    if (!(value instanceof Promise)) return;
    value.then(
      (result) => this.value(result, `${where} (promised)`),
      (error) => this.value(error, `${where} (rejected)`),
    );
    await undefined;
  }
}

async function databases(search) {
  for (const { name } of await indexedDB.databases()) {
    search.text(name, 'the name of a database');
    const database = await done(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const all = database.transaction(store).objectStore(store);
      search.value(await done(all.getAll()), `the database ${name}`);
      search.value(await done(all.getAllKeys()), `the keys of the database ${name}`);
    }
    database.close();
  }
}

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function cached(search) {
  for (const name of await caches.keys()) {
    search.text(name, 'the name of a cache');
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      search.text(request.url, `the cache ${name}, a URL`);
      search.value(request.headers, `the cache ${name}, headers of a request`);
      const answer = await cache.match(request);
      search.value(answer.headers, `the cache ${name}, headers of an answer`);
      search.text(await answer.text(), `the cache ${name}, an answer`);
    }
  }
}

globalThis.search = async (needles) => {
  const search = new Search(needles);
  search.text(document.cookie, 'document.cookie');
  for (const [name, storage] of Object.entries({ localStorage, sessionStorage })) {
    for (let at = 0; at < storage.length; at += 1) {
      search.text(storage.key(at), `${name}, a key`);
      search.text(storage.getItem(storage.key(at)), name);
    }
  }
  search.text(window.name, 'window.name');
  search.value(history.state, 'history.state');
  search.text(location.href, 'location');
  search.text(document.documentElement.outerHTML, 'the DOM');
  for (const entry of performance.getEntries()) search.value(entry.toJSON(), `performance: ${entry.entryType}`);
  search.value(heard, 'what was heard');
  await databases(search);
  await cached(search);
  search.value(globalThis, 'globalThis');
  // Modules that were loaded can be loaded again, and are the same.
  const scripts = performance.getEntriesByType('resource').map(({ name }) => name);
  for (const script of scripts.filter((name) => name.endsWith('.js') && name !== me)) {
    search.value(await import(script), `the module ${script}`);
  }
  await search.walk();
  return { found: search.found, objects: search.objects, texts: search.texts };
};
