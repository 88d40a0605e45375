//! Runs every test with AWS-LC.

mod suite;

const BACKEND: a0_jose::Backend = a0_jose::Backend::AwsLcRs;
