// Each recipe as something that can be asked about a token: `ask(token)` gives the user, or throws `Refused`.

import { once } from 'node:events';
import { symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ORIGIN, code } from './document.mjs';
import { asker, end, exists, freePort, onPath, run, start, temporaryFolder, until } from './process.mjs';

export class Refused extends Error {}

const JACKSON = ['core', 'databind', 'annotations'].map((part) => `/usr/share/java/jackson-${part}.jar`);

// What keeps a recipe from being run here, or false.
export const RECIPES = [
  { name: 'Node.js', start: node, missing: false },
  { name: 'Python', start: python, missing: !process.env.FIFTYTEN_PYTHON && 'FIFTYTEN_PYTHON names no Python with PyJWT' },
  {
    name: 'Java',
    start: java,
    missing:
      !(onPath('javac') && JACKSON.every(exists)) &&
      'install a JDK and Jackson (Debian: default-jdk-headless, libjackson2-databind-java)',
  },
  { name: 'nginx', start: nginx, missing: !(onPath('nginx') || exists('/usr/sbin/nginx')) && 'install nginx' },
];

function nodeFolder(origin) {
  const folder = temporaryFolder('recipe-node');
  symlinkSync(fileURLToPath(new URL('node_modules', import.meta.url)), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'verify.mjs'), code('js', 0, [[ORIGIN, origin]]));
  return folder;
}

async function node(origin) {
  const folder = nodeFolder(origin);
  writeFileSync(
    join(folder, 'ask.mjs'),
    `import { createInterface } from 'node:readline';
     import { verify } from './verify.mjs';
     for await (const token of createInterface({ input: process.stdin })) {
       console.log(await verify(token).then(({ sub }) => 'good ' + sub, ({ message }) => 'bad ' + message));
     }`,
  );
  return lines(start(process.execPath, ['ask.mjs'], { cwd: folder }));
}

async function python(origin) {
  const folder = temporaryFolder('recipe-python');
  writeFileSync(join(folder, 'verify.py'), code('python', 0, [[ORIGIN, origin]]));
  writeFileSync(
    join(folder, 'ask.py'),
    `import sys
import jwt
from verify import verify
for token in iter(sys.stdin.readline, ""):
    try:
        print("good", verify(token.strip())["sub"], flush=True)
    except jwt.PyJWTError as error:
        print("bad", " ".join(str(error).split()), flush=True)
`,
  );
  return lines(start(process.env.FIFTYTEN_PYTHON, ['ask.py'], { cwd: folder }));
}

async function java(origin) {
  const folder = temporaryFolder('recipe-java');
  writeFileSync(join(folder, 'SessionToken.java'), code('java', 0, [[ORIGIN, origin]]));
  writeFileSync(
    join(folder, 'Ask.java'),
    `public final class Ask {
        public static void main(String[] arguments) {
            for (var lines = new java.util.Scanner(System.in); lines.hasNextLine(); ) {
                String answer;
                try {
                    answer = "good " + SessionToken.verify(lines.nextLine()).get("sub").asText();
                } catch (Exception error) {
                    answer = "bad " + String.valueOf(error.getMessage()).replace('\\n', ' ');
                }
                System.out.println(answer);
            }
        }
    }`,
  );
  const classes = ['-cp', [folder, ...JACKSON].join(':')];
  await run('javac', [...classes, '-Xlint:all', '-Werror', '-d', folder, 'SessionToken.java', 'Ask.java'], { cwd: folder });
  return lines(start('java', [...classes, 'Ask'], { cwd: folder }));
}

function lines(child) {
  const answer = asker(child);
  const ask = async (token) => {
    const line = await answer(token);
    if (line.startsWith('good ')) return line.slice(5);
    throw new Refused(line);
  };
  return { ask, stop: () => end(child) };
}

async function nginx(origin) {
  const [port, verifier] = [await freePort(), await freePort()];
  // The app behind it: says who asks, as nginx tells it.
  const app = createServer(({ headers }, response) => response.end(headers['x-user'])).listen(0, '127.0.0.1');
  await once(app, 'listening');

  const auth = nodeFolder(origin);
  writeFileSync(join(auth, 'auth.mjs'), code('js', 1, [['9090', verifier]]));
  const beside = start(process.execPath, ['auth.mjs'], { cwd: auth });

  const folder = temporaryFolder('recipe-nginx');
  const block = code('nginx', 0, [['127.0.0.1:9090', `127.0.0.1:${verifier}`], ['127.0.0.1:3000', `127.0.0.1:${app.address().port}`]]);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/nginx.pid; error_log stderr crit; worker_processes 1; events {}
     http { access_log off; ${places.join(' ')} server { listen 127.0.0.1:${port};\n${block}\n} }`,
  );
  const program = onPath('nginx') ? 'nginx' : '/usr/sbin/nginx';
  const front = start(program, ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')]);

  const get = (headers) => fetch(`http://127.0.0.1:${port}/api/me`, { headers: { 'x-user': 'spoofed', ...headers } });
  await until('nginx that asks its verifier', async () => (await get({})).status === 401);
  const ask = async (token) => {
    const response = await get({ authorization: `Bearer ${token}` });
    const body = await response.text();
    if (response.status === 401) throw new Refused(body);
    if (response.status !== 200) throw new Error(`nginx answered ${response.status}: ${body}`);
    return body;
  };
  const stop = async () => {
    await Promise.all([end(front), end(beside)]);
    app.closeAllConnections();
    app.close();
  };
  return { ask, stop };
}
