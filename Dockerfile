# Built with everything, run with the production packages only, as a user without rights on a file system that may be
# read-only: what is written goes to DATA_DIR.
FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
RUN npm ci --ignore-scripts
COPY src ./src
COPY drizzle ./drizzle
RUN npm run build && npm prune --omit=dev --ignore-scripts
COPY scripts/notices.ts ./scripts/
RUN node scripts/notices.ts > THIRD-PARTY-NOTICES

FROM node:26-slim
LABEL org.opencontainers.image.source="https://github.com/fluxbot/fluxbot" org.opencontainers.image.licenses="MIT"
# with PORT set, a process of any role answers /healthz
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/THIRD-PARTY-NOTICES ./
COPY package.json LICENSE ./
COPY drizzle ./drizzle
COPY models ./models
COPY public ./public
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
# /healthz, not /readyz: a process that waits for its database is alive, and a restart would not help it
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8080) + '/healthz').then(r => process.exit(r.ok ? 0 : 1))"]
CMD ["node", "dist/main.js"]
