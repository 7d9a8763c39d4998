CREATE TABLE "packages" (
	"id" text PRIMARY KEY NOT NULL,
	"credits" integer NOT NULL,
	"stars" integer NOT NULL,
	"active" boolean DEFAULT true NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "packages_id" CHECK ("packages"."id" ~ '^[a-z0-9]{1,20}$'),
	CONSTRAINT "packages_credits" CHECK ("packages"."credits" >= 1),
	CONSTRAINT "packages_stars" CHECK ("packages"."stars" >= 1)
);
