// In development Next.js refuses its updates to pages of other hosts than this; the server says which it is reached by.
const address = process.env.APP_PUBLIC_URL;

/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  allowedDevOrigins: address ? [new URL(address).hostname] : [],
};
