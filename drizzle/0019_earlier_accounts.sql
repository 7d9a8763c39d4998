CREATE TABLE "earlier_accounts" (
	"identity_hash" text NOT NULL,
	"user_id" uuid NOT NULL,
	CONSTRAINT "earlier_accounts_identity_hash_user_id_pk" PRIMARY KEY("identity_hash","user_id")
);
--> statement-breakpoint
ALTER TABLE "earlier_accounts" ADD CONSTRAINT "earlier_accounts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;