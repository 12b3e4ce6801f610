"""From a passed verdict to the tag: what may be promoted, the copy by digest, the attestation, and taking it back."""
