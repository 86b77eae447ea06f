// As much of WebDriver (W3C) as the tests need. Commands for several windows go over one session in
// which one window is current: choosing it and using it must not be torn apart.

export class WebDriver {
  #session;
  #current;
  #last = Promise.resolve();

  // `address` is the driver's, without a slash at its end.
  static async open(address, capabilities) {
    const driver = new WebDriver();
    const { sessionId } = await send(`${address}/session`, 'POST', { capabilities: { alwaysMatch: capabilities } });
    driver.#session = `${address}/session/${sessionId}`;
    return driver;
  }

  // A command for the session.
  async command(method, path, body) {
    return this.#inTurn(() => send(this.#session + path, method, body));
  }

  // A command for one window.
  async inWindow(handle, method, path, body) {
    return this.#inTurn(async () => {
      if (this.#current !== handle) await send(`${this.#session}/window`, 'POST', { handle });
      this.#current = handle;
      return send(this.#session + path, method, body);
    });
  }

  async closeWindow(handle) {
    await this.inWindow(handle, 'DELETE', '/window');
    this.#current = undefined;
  }

  #inTurn(action) {
    const done = this.#last.then(action);
    this.#last = done.catch(() => {});
    return done;
  }
}

async function send(url, method, body) {
  const headers = { 'content-type': 'application/json' };
  const options = { method, headers, signal: AbortSignal.timeout(30_000) };
  if (method === 'POST') options.body = JSON.stringify(body ?? {});
  const answer = await fetch(url, options);
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname}: ${value.error}: ${value.message}`);
  return value;
}
