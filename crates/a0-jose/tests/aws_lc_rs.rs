//! Every test, with signatures checked by AWS-LC.

mod suite;

const BACKEND: a0_jose::Backend = a0_jose::Backend::AwsLcRs;
