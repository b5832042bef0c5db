type Language = 'en' | 'hi';

const words = {
  en: {
    title: 'Sign in · Lachak',
    heading: 'Sign in',
    user: 'User name',
    password: 'Password',
    submit: 'Sign in',
    failed: 'User name or password is not right. Check both and try again.',
    other: 'हिन्दी',
  },
  hi: {
    title: 'साइन इन · लचक',
    heading: 'साइन इन',
    user: 'उपयोगकर्ता नाम',
    password: 'पासवर्ड',
    submit: 'साइन इन करें',
    failed: 'उपयोगकर्ता नाम या पासवर्ड सही नहीं है। दोनों जाँचें और फिर कोशिश करें।',
    other: 'English',
  },
} as const;

/** The built-in issuer's sign-in form: plain HTML, no script, so nothing can stand between a person and the password field. */
export function signInPage({ query, lang, failed }: { query: Record<string, string>; lang: Language; failed: boolean }): string {
  const t = words[lang];
  const link = (more: Record<string, string>) => escaped(`/oauth/authorize?${new URLSearchParams({ ...query, ...more })}`);
  return `<!doctype html>
<html lang="${lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${t.title}</title>
<style>
:root{color-scheme:light dark;--ink:#14231f;--paper:#f6f7f4;--card:#fff;--line:#d5dbd3;--accent:#0b6b53}
@media(prefers-color-scheme:dark){:root{--ink:#e8eeea;--paper:#0f1614;--card:#18211e;--line:#2c3834;--accent:#4cc9a4}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,"Noto Sans Devanagari",sans-serif}
main{width:min(22rem,92vw);background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.75rem}
h1{font-size:1.25rem;margin:0 0 1rem}b{color:var(--accent)}label{display:block;margin:.75rem 0 .25rem}
input{width:100%;padding:.6rem .7rem;font:inherit;border:1px solid var(--line);border-radius:8px;background:transparent;color:inherit}
button{width:100%;margin-top:1.25rem;padding:.7rem;font:inherit;font-weight:600;border:0;border-radius:8px;background:var(--accent);color:var(--card);cursor:pointer}
.failed{color:#b3261e;margin:.5rem 0 0}a{color:inherit;font-size:.875rem}
</style></head>
<body><main><h1><b>लचक</b> Lachak · ${t.heading}</h1>
<form method="post" action="${link({ lang })}">
<label for="username">${t.user}</label><input id="username" name="username" autocomplete="username" required autofocus>
<label for="password">${t.password}</label><input id="password" name="password" type="password" autocomplete="current-password" required>
${failed ? `<p class="failed" role="alert">${t.failed}</p>` : ''}
<button type="submit">${t.submit}</button></form>
<p><a href="${link({ lang: lang === 'en' ? 'hi' : 'en' })}">${t.other}</a></p></main></body></html>`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
